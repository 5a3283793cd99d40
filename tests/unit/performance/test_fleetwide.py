"""What the fleet's looks have found joins what a monitor judges itself, each reason once."""

from datetime import UTC, datetime

from monitoring.judging.health import Health, Reason, Severity, status_of
from monitoring.judging.surroundings import Surroundings
from monitoring.performance import fleetwide
from monitoring.performance.alerts import Alert
from monitoring.recording.sums import Sums
from monitoring.rollup.verdicts import Verdict
from orchestrator.alerts import record
from orchestrator.alerts.record import Raised
from orchestrator.alerts.standing import Standing


def _reason(name: str, severity: Severity = "warning", sentence: str = "So it is.") -> Reason:
    return Reason(name, severity, sentence, name.partition(":")[2] or None)


def _judged(own: list[Reason], fleets: list[Reason]) -> Health:
    health = Health(status_of(own), tuple(own), Sums(), 0.0, Surroundings())
    return fleetwide.judged(health, Verdict(status_of(fleets), tuple(fleets), 1.0))


def test_what_is_wrong_with_the_fleet_is_the_worst_of_both() -> None:
    health = _judged([_reason("error_rate")], [_reason("beat_late"), _reason("no_workers", "critical")])

    assert health.status == "critical"
    assert [each.name for each in health.reasons] == ["no_workers", "beat_late", "error_rate"]


def test_sums_are_those_of_now_and_judged_by_its_own_thresholds() -> None:
    fleets = [_reason("error_rate", "critical"), _reason("response_time:shop"), _reason("names", "info")]

    assert _judged([], fleets).status == "healthy"
    assert _judged([_reason("error_rate", "warning")], fleets).status == "degraded"


def test_a_circuit_is_told_of_once_in_the_fleets_words() -> None:
    own = [_reason("circuit:a", sentence="here"), _reason("circuit:b"), _reason("error_rate:b")]
    health = _judged(own, [_reason("circuit:a", sentence="there"), _reason("breaker_open:b")])

    assert [each.name for each in health.reasons] == ["breaker_open:b", "circuit:a", "error_rate:b"]
    assert health.reasons[1].sentence == "there"


def test_without_a_look_it_is_what_the_monitor_judges() -> None:
    health = Health("degraded", (_reason("error_rate"),), Sums(), 0.0, Surroundings())

    assert fleetwide.judged(health, None) is health


def test_of_an_alert_that_both_have_the_fleets_is_shown() -> None:
    raised = Raised("error_rate", "critical", "Most fail.", since="2026-01-01T00:00:00+00:00")
    standing = Standing(datetime.now(UTC), {"error_rate": record.text(raised)})
    own = [Alert(_reason("error_rate"), 0.0), Alert(_reason("circuit:a"), 0.0)]

    shown = fleetwide.alerts(standing, own)

    assert [(each["name"], each["severity"]) for each in shown] == [
        ("error_rate", "critical"),
        ("circuit:a", "warning"),
    ]
    assert {tuple(each) for each in shown} == {
        ("name", "severity", "message", "component", "since", "is_acknowledged", "is_silenced")
    }
