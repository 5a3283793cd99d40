"""When beat is late."""

import pytest

from monitoring.health import Degraded, Unhealthy
from monitoring.health.probes.beat import judge
from orchestrator.beat import Heartbeat

NOW = 1_700_000_000.0


def test_a_beat_that_ticked_within_two_and_a_half_intervals_is_in_time() -> None:
    assert judge(Heartbeat("host:1", NOW - 75, ticks=9), NOW, 30) == "host:1 sent its last task 1m 15s ago"


def test_a_beat_that_is_silent_for_longer_is_late() -> None:
    with pytest.raises(Unhealthy, match="host:1 sent nothing for 1m 16s, though it ought to every 30s"):
        judge(Heartbeat("host:1", NOW - 76, ticks=9), NOW, 30)


def test_a_beat_that_nobody_has_seen_is_unhealthy_and_the_sentence_says_how_to_start_one() -> None:
    with pytest.raises(Unhealthy) as found:
        judge(None, NOW, 30)

    assert str(found.value) == "beat has not been seen: start `celery -A orchestrator beat`"


def test_a_clock_that_is_ahead_of_ours_is_no_lateness() -> None:
    assert judge(Heartbeat("host:1", NOW + 3, ticks=9), NOW, 30) == "host:1 sent its last task 0s ago"


def test_two_beats_at_once_are_noticed() -> None:
    heartbeat = Heartbeat("host:1", NOW - 5, ticks=9, rival="host:2", rival_at=NOW - 10)

    assert judge(heartbeat, NOW, 30) == Degraded(
        "two run at once, host:1 and host:2, and send every task twice: stop one"
    )


def test_a_second_beat_that_has_gone_is_forgotten() -> None:
    heartbeat = Heartbeat("host:1", NOW - 5, ticks=9, rival="host:2", rival_at=NOW - 100)

    assert judge(heartbeat, NOW, 30) == "host:1 sent its last task 5s ago"
