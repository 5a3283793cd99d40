"""What follows from the sums: health, alerts, the dashboard."""

from typing import Any

import pytest

from monitoring.judging.surroundings import Surroundings
from monitoring.performance import PerformanceMonitor
from monitoring.recording.sums import Calls, Key, Snapshot, Sums
from orchestrator import events, settings
from orchestrator.errors import InvalidMeasure
from orchestrator.events import CallEnded, CircuitOpened, DeadLettered, GraceRecovered, Retried, TimeoutStruck
from tests.processes import wait_until
from tests.unit.performance.driven import Driven


@pytest.mark.parametrize(
    ("successes", "failures", "status"),
    [(0, 9, "healthy"), (95, 5, "healthy"), (94, 6, "degraded"), (90, 10, "critical"), (0, 10, "critical")],
)
def test_health_follows_the_rate_of_errors_of_ten_calls_or_more(
    successes: int, failures: int, status: str
) -> None:
    driven = Driven()

    driven.call(successes, failures)

    assert driven.status == status


def test_a_component_that_fails_among_many_that_work_degrades_the_whole_and_says_why() -> None:
    driven = Driven()
    driven.call(400, component="shop")
    driven.call(0, 10, component="mail")

    health = driven.monitor.health()

    assert (health["status"], health["components"]["mail"]["status"]) == ("degraded", "critical")
    assert health["reasons"] == [
        "100.0 % of calls of 'mail' failed (10 of 10 in the last 5 minutes), which is critical from 10 % on"
    ]


def test_slow_calls_degrade_by_their_average_or_their_p95() -> None:
    steady, spread = Driven(), Driven()
    steady.call(10, ms=6000)
    spread.call(90, ms=10)
    spread.call(10, ms=20_000)

    assert (steady.status, spread.status) == ("degraded", "degraded")
    assert "took 6000 ms (average of 10 in the last 5 minutes)" in steady.monitor.health()["reasons"][0]
    assert (
        "(p95 of 100 in the last 5 minutes), which is above 5000 ms" in spread.monitor.health()["reasons"][0]
    )


def test_health_forgets_what_is_longer_ago_than_its_window() -> None:
    driven = Driven()
    driven.call(0, 10)
    driven.clock.now = 6 * 60

    assert driven.status == "healthy"
    assert driven.components == ["shop"]


def test_an_open_circuit_that_is_known_degrades() -> None:
    driven = Driven(around=Surroundings(circuits={"payments": "is open: calls of it are not made"}))

    assert driven.monitor.health()["reasons"] == [
        "the circuit of 'payments' is open: calls of it are not made"
    ]
    assert driven.status == "degraded"


def test_of_nothing_the_error_rate_is_zero_and_the_response_time_unknown() -> None:
    health = Driven().monitor.dashboard()["system_health"]

    assert health == {
        "status": "healthy",
        "uptime_seconds": 0,
        "error_rate_percent": 0.0,
        "average_response_time_ms": None,
        "active_connections": 0,
    }


def test_an_alert_is_raised_at_once_and_cleared_after_two_clean_looks() -> None:
    driven = Driven()
    driven.call(0, 10)
    driven.monitor.look()
    assert driven.alerts == {"error_rate": "critical", "error_rate:shop": "critical"}

    driven.clock.now = 6 * 60
    driven.monitor.look()
    assert driven.alerts == {"error_rate": "critical", "error_rate:shop": "critical"}

    driven.monitor.look()
    assert driven.alerts == {}


def test_asking_raises_an_alert_and_clears_none_while_samples_are_taken() -> None:
    driven = Driven({"sampling_interval_seconds": 3600})
    driven.monitor.start()
    wait_until(lambda: driven.monitor.dashboard()["samples"] != [], what="the first sample")
    driven.call(0, 10)
    driven.monitor.health()
    raised = {"error_rate": "critical", "error_rate:shop": "critical"}
    assert driven.alerts == raised

    driven.clock.now = 10_000
    assert [driven.alerts for _ in range(5)] == [raised] * 5
    driven.monitor.look()
    driven.monitor.look()
    driven.monitor.stop()
    assert driven.alerts == {}


def test_where_no_samples_are_taken_being_asked_clears_an_alert_after_two_intervals() -> None:
    driven = Driven()
    driven.call(0, 10)
    assert driven.alerts == {"error_rate": "critical", "error_rate:shop": "critical"}

    driven.clock.now = 6 * 60
    assert [len(driven.alerts) for _ in range(3)] == [2, 2, 2]
    driven.clock.now += 60
    assert driven.alerts == {}


def test_a_letter_of_a_task_without_a_name_is_counted_too() -> None:
    monitor = PerformanceMonitor(shared=False)
    events.emit(DeadLettered("", "orders.dlq"))
    monitor.stop()

    assert monitor.dashboard()["resilience_metrics"]["dead_letter_queue_messages"] == 1


def test_a_source_s_component_without_a_name_is_not_the_whole() -> None:
    key, calls = Key("", "order", "error"), Calls(10, 10, {0: 10}, 1, 1)

    class Nameless:
        def snapshot(self) -> Snapshot:
            return Snapshot(0, 0.0, minutes={0: Sums({key: calls, Key("x", "y", "success"): calls})})

    health = PerformanceMonitor(source=Nameless(), listens=False).health()

    assert health["components"][""]["status"] == "critical"
    assert health["reasons"][0].startswith("50.0 % of all calls failed")
    assert health["reasons"][1].startswith("100.0 % of calls of '' failed")


def test_an_alert_is_told_once_and_keeps_the_moment_since_when(caplog: pytest.LogCaptureFixture) -> None:
    driven = Driven()
    driven.call(94, 6)
    for _ in range(3):
        driven.monitor.look()
        driven.clock.now += 1

    told = [record.getMessage() for record in caplog.records if "performance_alert" in record.getMessage()]
    assert [line.split()[1] for line in told] == ["alert='error_rate'", "alert='error_rate:shop'"]
    (alert, _) = driven.monitor.dashboard()["alerts"]
    assert (alert["severity"], alert["since"]) == ("warning", "2027-01-15T08:00:00.000+00:00")


def test_each_interval_a_sample_is_taken_and_stopping_ends_it() -> None:
    monitor = PerformanceMonitor(sampling_interval_seconds=0.01, shared=False)

    def samples() -> list[Any]:
        return list(monitor.dashboard()["samples"])

    monitor.start()
    monitor.start()
    wait_until(lambda: len(samples()) >= 3, what="samples")
    monitor.stop()
    assert samples()[0]["memory_usage_bytes"] > 1_000_000
    count = len(samples())
    monitor.record("shop", "order", 1.0, True)
    assert len(samples()) == count


def test_events_of_the_process_are_counted_until_the_monitor_is_stopped() -> None:
    monitor = PerformanceMonitor(shared=False)
    for _ in range(2):
        events.emit(CallEnded("kafka_client", "publish_event", 0.15, success=False, error_type="Down"))
        events.emit(TimeoutStruck("order", "soft", 3.0))
        events.emit(GraceRecovered("order", 3.0, 3.1))
        events.emit(Retried("order"))
        events.emit(DeadLettered("order", "orders.dlq"))
        events.emit(CircuitOpened("payments"))
        monitor.stop()

    text = monitor.prometheus()
    assert monitor.dashboard()["resilience_metrics"] == {
        "circuit_breaker_trips": 1,
        "timeout_failures": 1,
        "retry_attempts": 1,
        "dead_letter_queue_messages": 1,
        "grace_period_recoveries": 1,
    }
    assert 'omninode_dead_letter_messages_total{topic="orders.dlq"} 1.0' in text
    assert 'omninode_errors_total{component="kafka_client",error_type="Down"} 1.0' in text
    assert monitor.dashboard()["component_performance"]["kafka_client"]["average_duration_ms"] == 150.0


def test_another_source_of_sums_is_told_of_by_the_same_names() -> None:
    ours, theirs = Driven(), Driven()
    ours.call(1, component="ours")
    theirs.call(2, component="theirs")

    class Fleet:
        def snapshot(self) -> Snapshot:
            return ours.monitor.recorder.snapshot() + theirs.monitor.recorder.snapshot()

    shown = PerformanceMonitor(source=Fleet(), listens=False).dashboard()["component_performance"]

    assert {name: each["total_requests"] for name, each in shown.items()} == {"ours": 1, "theirs": 2}


@pytest.mark.parametrize(
    "given",
    [
        {"metrics_retention_hours": 0},
        {"sampling_interval_seconds": float("nan")},
        {"alert_threshold_error_rate": 101},
        {"alert_threshold_error_rate": -1},
        {"alert_threshold_response_time_ms": "5000"},
    ],
)
def test_an_argument_that_there_cannot_be_is_refused_by_name(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidMeasure, match=next(iter(given))):
        PerformanceMonitor(**given)


def test_what_is_not_given_is_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERF_MONITOR_RETENTION_HOURS", "3")
    monkeypatch.setenv("PERF_MONITOR_SAMPLING_INTERVAL", "7")
    monkeypatch.setenv("PERF_MONITOR_ERROR_THRESHOLD", "11")
    monkeypatch.setenv("PERF_MONITOR_RESPONSE_THRESHOLD", "13")
    settings.forget()
    try:
        found = PerformanceMonitor(alert_threshold_error_rate=0, listens=False).thresholds
    finally:
        settings.forget()

    assert (found.retention_hours, found.sampling_seconds, found.error_percent, found.response_ms) == (
        3,
        7,
        0,
        13,
    )
