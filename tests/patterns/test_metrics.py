"""Each metric of the document is exported with exactly its labels, and counts what it is named for."""

import asyncio
import os
import re

import psutil
import pytest

from monitoring.performance import PerformanceMonitor
from orchestrator import redis
from orchestrator.breaker import circuit
from orchestrator.errors import TimeoutExceeded
from orchestrator.settings import Settings
from orchestrator.timeouts import TimeoutConfig, TimeoutManager
from tests.patterns import exposition
from tests.patterns.clients import EVENT, QUICK, client
from tests.patterns.conftest import Away
from tests.patterns.proofs import proves
from tests.patterns.watching import Work, calls, seen


@pytest.fixture(autouse=True)
def _servers(environment: Settings) -> None:
    """Letters and circuits are in Redis."""


def _exported(item: str, work: Work) -> str:
    """What is exported after the work; its labels are those of the document."""

    _, text = seen(work)
    name, labels = re.fullmatch(r"metric: (\w+)(?:{(.*)})?", item).groups()  # type: ignore[union-attr]
    assert exposition.labels_of(text, name) == set(labels.split(", ") if labels else [])
    return text


async def _some_calls(monitor: PerformanceMonitor) -> None:
    for duration_ms in (100, 300):
        await monitor.record_performance_metric(
            component="shop", operation="order", duration_ms=duration_ms, success=True
        )
    await monitor.record_performance_metric(
        component="shop", operation="order", duration_ms=50, success=False, error_type="KeyError"
    )


_OF_SUCCESS = {"component": "shop", "operation": "order", "status": "success"}
_OF_ERRORS = _OF_SUCCESS | {"status": "error"}


@proves("metric: omninode_request_duration_seconds{component, operation, status}")
def test_durations_are_a_histogram_in_seconds(item: str) -> None:
    text = _exported(item, _some_calls)

    assert exposition.value(text, "omninode_request_duration_seconds_count", **_OF_SUCCESS) == 2
    assert exposition.value(text, "omninode_request_duration_seconds_sum", **_OF_SUCCESS) == pytest.approx(
        0.4
    )
    buckets = exposition.values(text, "omninode_request_duration_seconds_bucket")
    below = {float(has["le"]): count for has, count in buckets if has["status"] == "success"}
    assert below[max(below)] == 2
    assert 1 in below.values()


@proves("metric: omninode_requests_total{component, operation, status}")
def test_calls_are_counted_by_what_became_of_them(item: str) -> None:
    text = _exported(item, _some_calls)

    assert exposition.value(text, "omninode_requests_total", **_OF_SUCCESS) == 2
    assert exposition.value(text, "omninode_requests_total", **_OF_ERRORS) == 1


@proves("metric: omninode_errors_total{component, error_type}")
def test_errors_are_counted_by_their_class(item: str) -> None:
    text = _exported(item, _some_calls)

    assert exposition.value(text, "omninode_errors_total", component="shop", error_type="KeyError") == 1


@proves("metric: omninode_circuit_breaker_trips_total{component}")
def test_a_circuit_that_opens_is_counted(item: str) -> None:
    @circuit(failure_threshold=2, recovery_timeout=30, name="shop that trips")
    async def order() -> None:
        raise ConnectionError

    async def work(_: PerformanceMonitor) -> None:
        for _number in range(2):
            with pytest.raises(ConnectionError):
                await order()

    text = _exported(item, work)

    assert exposition.value(text, "omninode_circuit_breaker_trips_total", component="shop that trips") == 1


@proves("metric: omninode_timeout_failures_total{component}")
def test_an_operation_whose_time_is_over_is_counted(item: str) -> None:
    async def work(_: PerformanceMonitor) -> None:
        with pytest.raises(TimeoutExceeded):
            async with TimeoutManager(TimeoutConfig(grace_period=0)).timeout_context("order", 0.02):
                await asyncio.sleep(60)

    text = _exported(item, work)

    assert exposition.value(text, "omninode_timeout_failures_total", component="order") == 1


def _failing(away: Away, retries: int) -> Work:
    """Publish to a Kafka that is away."""

    async def work(_: PerformanceMonitor) -> None:
        async with client(bootstrap_servers=away(), **QUICK | {"max_retry_attempts": retries}) as made:
            await made.publish_event(EVENT, topic="orders")

    return work


@proves("metric: omninode_retry_attempts_total{component}")
def test_an_attempt_that_is_made_again_is_counted(item: str, away: Away) -> None:
    text = _exported(item, _failing(away, retries=2))

    assert exposition.value(text, "omninode_retry_attempts_total", component="kafka_client") == 2


@proves("metric: omninode_dead_letter_messages_total{topic}")
def test_a_dead_letter_is_counted_by_its_topic(item: str, away: Away) -> None:
    text = _exported(item, _failing(away, retries=0))

    assert exposition.value(text, "omninode_dead_letter_messages_total", topic="orders.dlq") == 1


@proves("metric: omninode_system_health_status")
def test_health_is_0_while_all_is_well_1_when_it_is_degraded_and_2_when_it_is_critical(item: str) -> None:
    def status(failures: int) -> float:
        return exposition.value(
            _exported(item, calls(100 - failures, failures)), "omninode_system_health_status"
        )

    assert [status(failures=0), status(failures=7), status(failures=50)] == [0, 1, 2]


@proves("metric: omninode_active_connections{service}")
def test_connections_are_counted_by_service(item: str, environment: Settings) -> None:
    def connections() -> float:
        return exposition.value(_exported(item, _some_calls), "omninode_active_connections", service="redis")

    with redis.connect(environment.redis_url) as connected:
        connected.ping()
        while_connected = connections()
        connected.connection_pool.disconnect()
        assert connections() == while_connected - 1


@proves("metric: omninode_memory_usage_bytes")
def test_memory_is_what_the_process_holds(item: str) -> None:
    async def nothing(_: PerformanceMonitor) -> None:
        """Hold what is held."""

    text = _exported(item, nothing)
    held = psutil.Process(os.getpid()).memory_info().rss

    assert exposition.value(text, "omninode_memory_usage_bytes") == pytest.approx(held, rel=0.2)
