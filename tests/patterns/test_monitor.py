"""The document's performance monitor: its calls, their arguments, and what is said of it."""

import asyncio
import json
from typing import Any

import pytest

from monitoring.performance import (
    PerformanceMonitor,
    init_performance_monitoring,
    performance_monitor,
    shutdown_performance_monitoring,
)
from orchestrator import events
from orchestrator.settings import Settings
from tests.patterns import document, exposition
from tests.patterns.proofs import proves
from tests.patterns.watching import Work, calls, seen, watching
from tests.processes import let_pass, wait_until


@pytest.fixture(autouse=True)
def _servers(environment: Settings) -> None:
    """Health looks at them."""


def _recording(**given: Any) -> Work:
    usual: dict[str, Any] = {"component": "shop", "operation": "order", "duration_ms": 120.0, "success": True}
    return lambda monitor: monitor.record_performance_metric(**usual | given)


@proves("call: PerformanceMonitor.record_performance_metric")
def test_a_call_that_is_recorded_is_shown_and_exported(item: str) -> None:
    dashboard, metrics = seen(_recording())

    assert dashboard["component_performance"]["shop"]["total_requests"] == 1
    assert [count for _, count in exposition.values(metrics, "omninode_requests_total")] == [1]


@proves("argument: PerformanceMonitor.record_performance_metric(component)")
def test_component_is_whose_figures_they_are(item: str) -> None:
    dashboard, _ = seen(_recording(component="warehouse"))

    assert list(dashboard["component_performance"]) == ["warehouse"]


@proves("argument: PerformanceMonitor.record_performance_metric(operation)")
def test_operation_is_a_label(item: str) -> None:
    _, metrics = seen(_recording(operation="pack"))

    ((labels, _),) = exposition.values(metrics, "omninode_requests_total")
    assert labels["operation"] == "pack"


@proves("argument: PerformanceMonitor.record_performance_metric(duration_ms)")
def test_duration_ms_is_in_milliseconds(item: str) -> None:
    _, metrics = seen(_recording(duration_ms=1500.0))

    ((_, seconds),) = exposition.values(metrics, "omninode_request_duration_seconds_sum")
    assert seconds == pytest.approx(1.5)


@proves("argument: PerformanceMonitor.record_performance_metric(success)")
def test_success_is_the_status(item: str) -> None:
    dashboard, metrics = seen(_recording(success=False))

    ((labels, _),) = exposition.values(metrics, "omninode_requests_total")
    assert labels["status"] == "error"
    assert dashboard["component_performance"]["shop"]["error_count"] == 1


@proves("argument: PerformanceMonitor.record_performance_metric(error_type)")
def test_error_type_is_a_label(item: str) -> None:
    _, metrics = seen(_recording(success=False, error_type="KeyError"))

    assert exposition.values(metrics, "omninode_errors_total") == [
        ({"component": "shop", "error_type": "KeyError"}, 1.0)
    ]


def _happened(event_type: str, component: str = "shop") -> Work:
    return lambda monitor: monitor.record_resilience_event(event_type=event_type, component=component)


@proves("call: PerformanceMonitor.record_resilience_event")
def test_an_event_that_is_recorded_is_shown_and_exported(item: str) -> None:
    dashboard, metrics = seen(_happened("circuit_breaker_trip"))

    assert dashboard["resilience_metrics"]["circuit_breaker_trips"] == 1
    assert [count for _, count in exposition.values(metrics, "omninode_circuit_breaker_trips_total")] == [1]


@proves("argument: PerformanceMonitor.record_resilience_event(event_type)")
def test_event_type_is_what_is_counted_and_one_that_there_is_not_is_refused(item: str) -> None:
    counts = seen(_happened("retry_attempt"))[0]["resilience_metrics"]
    assert {name: count for name, count in counts.items() if count} == {"retry_attempts": 1}
    with pytest.raises(ValueError, match="circuit_breaker_trip"):
        seen(_happened("a trip"))


@proves("argument: PerformanceMonitor.record_resilience_event(component)")
def test_component_is_where_it_happened(item: str) -> None:
    _, metrics = seen(_happened("circuit_breaker_trip", component="warehouse"))

    ((labels, _),) = exposition.values(metrics, "omninode_circuit_breaker_trips_total")
    assert labels == {"component": "warehouse"}


@proves("call: PerformanceMonitor")
def test_each_monitor_shows_what_all_have_recorded_unless_it_keeps_to_itself(item: str) -> None:
    async def into_another(_: PerformanceMonitor) -> None:
        await _recording()(PerformanceMonitor())

    assert list(seen(into_another)[0]["component_performance"]) == ["shop"]
    assert seen(into_another, shared=False)[0]["component_performance"] == {}


@proves("argument: PerformanceMonitor(metrics_retention_hours)")
def test_metrics_retention_hours_is_how_long_calls_are_shown(item: str) -> None:
    def shown_after_a_day_and_a_half(hours: float) -> list[str]:
        now = [0.0]

        async def work(monitor: PerformanceMonitor) -> None:
            await _recording()(monitor)
            now[0] = 36 * 3600

        # The fleet's minutes are kept for as long as the variable says.
        dashboard, _ = seen(work, metrics_retention_hours=hours, clock=lambda: now[0], shared=False)
        return list(dashboard["component_performance"])

    assert (shown_after_a_day_and_a_half(48), shown_after_a_day_and_a_half(24)) == (["shop"], [])


@proves("argument: PerformanceMonitor(sampling_interval_seconds)")
def test_sampling_interval_seconds_is_how_often_health_is_looked_at(item: str) -> None:
    with watching(sampling_interval_seconds=0.01) as often:
        wait_until(lambda: len(often.dashboard()["samples"]) >= 3)
    with watching(sampling_interval_seconds=600) as seldom:
        let_pass(0.1)
        assert len(seldom.dashboard()["samples"]) == 1


@proves("argument: PerformanceMonitor(alert_threshold_error_rate)")
def test_alert_threshold_error_rate_is_the_percentage_from_which_on_health_is_worse(item: str) -> None:
    def status(threshold: float) -> Any:
        dashboard, _ = seen(calls(16, failures=4), alert_threshold_error_rate=threshold)
        return dashboard["system_health"]["status"]

    assert (status(50), status(15)) == ("healthy", "degraded")


@proves("argument: PerformanceMonitor(alert_threshold_response_time_ms)")
def test_alert_threshold_response_time_ms_is_the_mean_from_which_on_health_is_worse(item: str) -> None:
    def status(threshold: float) -> Any:
        dashboard, _ = seen(calls(20, duration_ms=900), alert_threshold_response_time_ms=threshold)
        return dashboard["system_health"]["status"]

    assert (status(1000), status(800)) == ("healthy", "degraded")


@proves("call: PerformanceMonitor.get_performance_dashboard")
def test_the_dashboard_is_json(item: str) -> None:
    dashboard, _ = seen(_recording())

    assert json.loads(json.dumps(dashboard))["component_performance"]["shop"]["total_requests"] == 1


@proves("call: PerformanceMonitor.get_prometheus_metrics")
def test_the_metrics_are_read_by_prometheus_s_own_parser(item: str) -> None:
    _, metrics = seen(_recording())

    assert (
        exposition.value(
            metrics, "omninode_requests_total", component="shop", operation="order", status="success"
        )
        == 1
    )


@proves("call: PerformanceMonitor.get_system_health")
def test_health_says_in_sentences_why_it_is_not_better(item: str) -> None:
    async def main(monitor: PerformanceMonitor) -> dict[str, Any]:
        await calls(90, failures=10)(monitor)
        return await monitor.get_system_health()

    with watching() as monitor:
        health = asyncio.run(main(monitor))

    assert health["status"] == "critical"
    assert any("10.0 % of all calls failed" in reason for reason in health["reasons"])


@proves("call: init_performance_monitoring")
def test_after_it_the_process_s_own_monitor_counts_what_happens(item: str) -> None:
    def recoveries() -> int:
        return performance_monitor.recorder.snapshot().total.events_of("grace_period_recovery")

    before = recoveries()
    events.emit(events.GraceRecovered("order", 1.0, 2.0))
    assert recoveries() == before

    asyncio.run(init_performance_monitoring())
    events.emit(events.GraceRecovered("order", 1.0, 2.0))
    asyncio.run(shutdown_performance_monitoring())
    events.emit(events.GraceRecovered("order", 1.0, 2.0))
    assert recoveries() == before + 1


@proves("claim: 5 Features: Real-time performance metrics collection")
def test_a_call_is_in_the_figures_as_soon_as_it_is_recorded(item: str) -> None:
    async def main(monitor: PerformanceMonitor) -> list[int]:
        found = []
        for _ in range(3):
            await _recording()(monitor)
            dashboard = await monitor.get_performance_dashboard()
            found.append(dashboard["component_performance"]["shop"]["total_requests"])
        return found

    assert asyncio.run(main(PerformanceMonitor())) == [1, 2, 3]


@proves("claim: 5 Features: Prometheus metrics export")
def test_all_metrics_of_the_document_are_exported(item: str) -> None:
    _, metrics = seen(_recording())

    for metric in document.metrics():
        name = metric.partition("{")[0].removesuffix("_total")
        assert f"# TYPE {name}" in metrics


@proves("claim: 5 Features: Automatic health status calculation")
def test_health_follows_from_what_is_recorded_alone(item: str) -> None:
    found = [seen(calls(90, failures))[0]["system_health"]["status"] for failures in (0, 6, 60)]

    assert found == ["healthy", "degraded", "critical"]


@proves("claim: 5 Features: Component-specific performance tracking")
def test_each_component_has_its_own_figures(item: str) -> None:
    async def work(monitor: PerformanceMonitor) -> None:
        await _recording(component="shop", duration_ms=10.0)(monitor)
        await _recording(component="warehouse", duration_ms=30.0)(monitor)

    components = seen(work)[0]["component_performance"]

    assert {name: each["average_duration_ms"] for name, each in components.items()} == {
        "shop": 10.0,
        "warehouse": 30.0,
    }


@proves("claim: 5 Features: Alert generation with severity levels")
def test_alerts_are_raised_with_their_severity(item: str) -> None:
    def severity(failures: int) -> str | None:
        with watching() as monitor:
            asyncio.run(calls(100 - failures, failures)(monitor))  # type: ignore[arg-type]
            monitor.look()
            alerts = {each["name"]: each for each in monitor.dashboard()["alerts"]}
        return alerts["error_rate"]["severity"] if alerts else None

    assert [severity(failures) for failures in (0, 6, 60)] == [None, "warning", "critical"]


@proves("claim: 5 Features: Comprehensive dashboard data")
def test_the_dashboard_has_health_resilience_and_components(item: str) -> None:
    dashboard, _ = seen(_recording())

    assert {"system_health", "resilience_metrics", "component_performance", "alerts"} <= set(dashboard)
