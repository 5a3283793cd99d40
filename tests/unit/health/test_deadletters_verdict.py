"""What an outbox, relays and alerts mean."""

from monitoring.health.probes.deadletters import judge
from monitoring.health.verdict import Degraded
from orchestrator.alerts.record import Raised
from orchestrator.relay.outbox.backlog import Outbox

RELAY = {"host:1:ab": {"watcher": {"index": {"open_letters": 1200}}}}
WAITS = Raised("outbox_waits", "critical", "3 dead letters wait (no broker answers)", "2026-11-25T12:00:00Z")


def test_without_a_relay_an_empty_outbox_is_healthy() -> None:
    assert judge(Outbox(0, 0.0), {}, {}, 60.0) == "none waits; no relay runs"


def test_with_a_relay_the_open_letters_are_counted() -> None:
    assert judge(Outbox(2, 0.1), RELAY, {}, 60.0) == "2 wait; 1 relay; 1,200 open"


def test_letters_that_wait_for_seconds_without_a_relay_ask_for_one() -> None:
    assert judge(Outbox(3, 9.9), {}, {}, 60.0) == "3 wait; no relay runs"
    sentence = "3 wait and no relay runs: start `omninode relay`"
    assert judge(Outbox(3, 10.0), {}, {}, 60.0) == Degraded(sentence)


def test_a_letter_that_waits_for_too_long_is_told_even_before_the_alert() -> None:
    assert judge(Outbox(3, 61.0), RELAY, {}, 60.0) == Degraded("3 wait, the oldest for 1m 1s")


def test_an_alert_is_told_in_its_own_words_once() -> None:
    assert judge(Outbox(3, 61.0), RELAY, {WAITS.name: WAITS}, 60.0) == Degraded(WAITS.sentence)


def test_an_alert_that_no_relay_watches_any_more_is_told_with_its_age_and_is_no_complaint() -> None:
    assert judge(Outbox(0, 0.0), {}, {WAITS.name: WAITS}, 60.0) == (
        "none waits; no relay runs; the last one left behind the alerts"
        " outbox_waits since 2026-11-25T12:00:00Z"
    )
