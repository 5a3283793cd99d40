"""What the fleet's verdict is as that of a check."""

import pytest

from monitoring.health import Degraded, Unhealthy
from monitoring.health.probes.fleet import judge
from monitoring.judging.health import Reason

_DEAD = Reason("error_rate:shop", "critical", "30.0 % of the tasks of 'shop' died", "shop")
_LATE = Reason("beat_late", "warning", "beat has sent nothing for 2m")
_PAUSED = Reason("paused:mail", "info", "the queue 'mail' is paused")


def test_of_a_healthy_fleet_nothing_is_amiss_whatever_is_paused() -> None:
    assert judge("healthy", [_PAUSED]) == "nothing is amiss"


def test_a_degraded_fleet_says_why() -> None:
    assert judge("degraded", [_DEAD, _LATE, _PAUSED]) == Degraded(
        "30.0 % of the tasks of 'shop' died; beat has sent nothing for 2m"
    )


def test_a_critical_fleet_is_unhealthy() -> None:
    with pytest.raises(Unhealthy, match="no worker lives"):
        judge("critical", [Reason("no_workers", "critical", "no worker lives")])


def test_of_many_reasons_the_worst_are_said_in_whole_and_the_rest_are_counted() -> None:
    many = [Reason(f"queue_age:{number}", "warning", f"{number} {'waits ' * 15}.") for number in range(10)]

    found = judge("degraded", many)

    assert isinstance(found, Degraded)
    assert len(found.sentence) <= 300
    assert found.sentence.endswith(".; and 8 more: `omninode dashboard` has all")


def test_a_very_long_reason_is_cut_and_the_next_is_still_counted() -> None:
    found = judge("degraded", [Reason("a", "warning", "x" * 5000), Reason("b", "warning", "y" * 5000)])

    assert found == Degraded(f"{'x' * 199}…; and 1 more: `omninode dashboard` has all")
