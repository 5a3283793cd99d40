"""What is recorded, what is refused, and how much of it there can be."""

import os
import signal
import threading
from decimal import Decimal
from fractions import Fraction
from math import inf, nan
from typing import Any

import pytest

from monitoring.performance import PerformanceMonitor
from monitoring.recording.labels import MOST_COMPONENTS, MOST_ERROR_TYPES, MOST_OPERATIONS
from orchestrator.errors import InvalidMeasure, PermanentError
from tests.unit.performance.driven import Driven


@pytest.fixture
def monitor() -> PerformanceMonitor:
    return PerformanceMonitor(metrics_retention_hours=24, listens=False, shared=False)


def _shown(monitor: PerformanceMonitor) -> dict[str, Any]:
    return dict(monitor.dashboard()["component_performance"])


@pytest.mark.parametrize(
    "duration", [nan, -1.0, -0.001, inf, -inf, -(10**400), "5", None, True, Decimal("nan")]
)
def test_a_duration_that_there_cannot_be_is_refused_and_counted(
    monitor: PerformanceMonitor, duration: Any
) -> None:
    with pytest.raises(InvalidMeasure, match="duration_ms must be a number"):
        monitor.record("shop", "order", duration, True)

    assert _shown(monitor) == {}
    assert monitor.dashboard()["refused_measures"] == 1


@pytest.mark.parametrize("duration", [10**400, 1e300, Fraction(10**30), Decimal("1e30")])
def test_an_enormous_duration_counts_as_the_longest(monitor: PerformanceMonitor, duration: Any) -> None:
    monitor.record("shop", "order", duration, True)

    assert _shown(monitor)["shop"]["average_duration_ms"] == 2.0**20 * 1000


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"component": 7}, "component must be text, not 7"),
        ({"component": ["shop"]}, r"component must be text, not \['shop'\]"),
        ({"operation": None}, "operation must be text, not None"),
        ({"component": ""}, "component must not be empty"),
        ({"operation": " "}, "operation must not be empty, but ' ' is"),
        ({"success": "false"}, "success must be True or False, not 'false'"),
        ({"success": False, "error_type": ValueError}, "error_type must be text"),
    ],
)
def test_what_is_no_measure_is_refused_in_words_and_nothing_is_recorded(
    monitor: PerformanceMonitor, given: dict[str, Any], words: str
) -> None:
    call: dict[str, Any] = {"component": "shop", "operation": "order", "duration_ms": 1.0, "success": True}

    with pytest.raises(InvalidMeasure, match=words):
        monitor.record(**(call | given))

    assert _shown(monitor) == {}
    assert monitor.dashboard()["refused_measures"] == 1


def test_an_error_without_a_type_is_of_an_unknown_one(monitor: PerformanceMonitor) -> None:
    monitor.record("shop", "order", 1.0, False, "")
    monitor.record("shop", "order", 1.0, False)

    assert 'omninode_errors_total{component="shop",error_type="unknown"} 2.0' in monitor.prometheus()


def test_an_event_of_something_without_a_name_is_refused(monitor: PerformanceMonitor) -> None:
    with pytest.raises(InvalidMeasure, match="component must not be empty"):
        monitor.record_event("timeout", "")


def test_an_event_that_there_is_not_is_refused_with_those_that_there_are(monitor: PerformanceMonitor) -> None:
    with pytest.raises(
        InvalidMeasure,
        match=r"must be one of circuit_breaker_trip, timeout_failure.* \(in short circuit_breaker, timeout, ",
    ) as refused:
        monitor.record_event("explosion", "shop")

    assert isinstance(refused.value, ValueError)
    assert isinstance(refused.value, PermanentError)


@pytest.mark.parametrize(
    ("key", "spellings"),
    [
        ("circuit_breaker_trips", ["circuit_breaker_trip", "circuit_breaker_trips", "circuit_breaker"]),
        ("timeout_failures", ["timeout_failure", "timeout_failures", "timeout", "Timeouts"]),
        ("retry_attempts", ["retry_attempt", "retry_attempts", "retry"]),
        (
            "dead_letter_queue_messages",
            ["dead_letter_message", "dead_letter_messages", "dead_letter_queue_messages", "dead_letter"],
        ),
        ("grace_period_recoveries", ["grace_period_recovery", "grace_period_recoveries"]),
    ],
)
def test_an_event_may_be_named_as_the_dashboard_names_it(
    monitor: PerformanceMonitor, key: str, spellings: list[str]
) -> None:
    for spelling in spellings:
        monitor.record_event(spelling, "shop", detail="is not counted")

    assert monitor.dashboard()["resilience_metrics"][key] == len(spellings)


def test_a_long_name_is_cut_and_still_told_apart(monitor: PerformanceMonitor) -> None:
    for end in ("a", "b", "b"):
        monitor.record("x" * 10_000 + end, "order", 1.0, True)

    shown = _shown(monitor)
    assert [len(name) for name in shown] == [200, 200]
    assert sorted(each["total_requests"] for each in shown.values()) == [1, 2]


def test_a_secret_in_a_name_is_masked(monitor: PerformanceMonitor) -> None:
    monitor.record("postgresql://ada:s3cret@host/shop", "order", 1.0, True)

    assert "s3cret" not in str(_shown(monitor))


def test_names_beyond_their_number_are_summed_under_other_and_counted(monitor: PerformanceMonitor) -> None:
    for number in range(MOST_COMPONENTS + 3):
        monitor.record(f"component {number}", "order", 1.0, True)
    for number in range(MOST_OPERATIONS + 3):
        monitor.record("component 0", f"order {number}", 1.0, True)
    for number in range(MOST_ERROR_TYPES + 3):
        monitor.record("component 0", "order", 1.0, False, f"Error{number}")

    shown, health = _shown(monitor), monitor.prometheus()
    assert (len(shown), shown["other"]["total_requests"]) == (MOST_COMPONENTS + 1, 3)
    # The operation "order" has been there before.
    assert 'omninode_requests_total{component="component 0",operation="other",status="success"} 4.0' in health
    assert 'omninode_errors_total{component="component 0",error_type="other"} 3.0' in health


def test_threads_lose_no_call(monitor: PerformanceMonitor) -> None:
    def work() -> None:
        for _ in range(2000):
            monitor.record("shop", "order", 1.0, False, "KeyError")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert _shown(monitor)["shop"]["error_count"] == 8000


def test_a_forked_child_begins_at_zero_also_when_a_thread_records_meanwhile(
    monitor: PerformanceMonitor,
) -> None:
    monitor.record("shop", "order", 1.0, True)
    # As if another thread had been recording at the moment of the fork.
    holding = threading.Thread(target=monitor.recorder._lock.acquire)  # noqa: SLF001
    holding.start()
    holding.join()

    pid = os.fork()
    if pid == 0:
        monitor.record("child", "order", 1.0, True)
        os._exit(0 if list(_shown(monitor)) == ["child"] else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_minutes_older_than_the_retention_are_dropped() -> None:
    driven = Driven({"metrics_retention_hours": 2})
    driven.call(1, component="early")
    driven.clock.now = 3600
    driven.call(1, component="later")
    assert driven.components == ["early", "later"]

    driven.clock.now = 2 * 3600 + 15 * 60 + 1
    assert driven.components == ["later"]

    driven.clock.now = 3 * 3600 + 15 * 60 + 1
    assert driven.components == []


def test_what_is_dropped_from_the_dashboard_still_counts_in_prometheus_counters() -> None:
    driven = Driven({"metrics_retention_hours": 0.001})
    driven.call(1)
    driven.clock.now = 10
    assert driven.components == []

    driven.call(1)

    assert (
        'requests_total{component="shop",operation="order",status="success"} 2.0'
        in driven.monitor.prometheus()
    )


def test_a_day_of_minutes_is_kept_in_quarters_of_an_hour_and_loses_no_call() -> None:
    driven = Driven()
    for minute in range(24 * 60):
        driven.clock.now = 60 * minute
        driven.call(1)

    kept = driven.monitor.recorder.snapshot().minutes
    assert len(kept) < 130
    assert driven.monitor.dashboard()["component_performance"]["shop"]["total_requests"] == 24 * 60


def test_a_signal_handler_may_record_and_read_while_its_thread_does() -> None:
    driven = Driven({"metrics_retention_hours": 1})
    interruptions = 0

    def handle(*_: object) -> None:
        nonlocal interruptions
        interruptions += 1
        driven.call(1, 1, component="handler")
        driven.monitor.dashboard()

    former = signal.signal(signal.SIGVTALRM, handle)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.001, 0.001)
    try:
        while interruptions < 50:
            driven.clock.now += 10
            driven.call(1)
            driven.monitor.health()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, former)

    assert driven.monitor.recorder.snapshot().total.of("handler").count == 2 * interruptions
