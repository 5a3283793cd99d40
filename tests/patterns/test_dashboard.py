"""Each key of the document's dashboard has the value that it is named for."""

import asyncio
from typing import Any

import pytest

from monitoring.performance import PerformanceMonitor
from orchestrator import redis
from orchestrator.breaker import circuit
from orchestrator.errors import TimeoutExceeded
from orchestrator.settings import Settings
from orchestrator.timeouts import TimeoutConfig, TimeoutManager
from tests.patterns.clients import EVENT, QUICK, client
from tests.patterns.conftest import Away
from tests.patterns.proofs import proves
from tests.patterns.watching import Work, calls, seen


@pytest.fixture(autouse=True)
def _servers(environment: Settings) -> None:
    """Letters and circuits are in Redis."""


async def _nothing(_: PerformanceMonitor) -> None:
    """Nothing happens."""


def _shown(item: str, work: Work, **configuration: Any) -> Any:
    """What the dashboard has at the item's path after the work."""
    value: Any
    value, _ = seen(work, **configuration)
    for key in item.removeprefix("key: ").partition("=")[0].split("."):
        value = value[key]
    return value


@proves("key: system_health.status")
def test_a_status_is_one_word_that_follows_what_happens(item: str) -> None:
    assert _shown(item, calls(100)) != _shown(item, calls(50, failures=50))


@proves("key: system_health.status=healthy")
def test_it_is_healthy_while_calls_go_well(item: str) -> None:
    assert _shown(item, calls(100, failures=1)) == "healthy"


@proves("key: system_health.status=degraded")
def test_it_is_degraded_when_more_calls_fail_than_may(item: str) -> None:
    assert _shown(item, calls(93, failures=7)) == "degraded"


@proves("key: system_health.status=critical")
def test_it_is_critical_when_most_calls_fail(item: str) -> None:
    assert _shown(item, calls(10, failures=90)) == "critical"


@proves("key: system_health.uptime_seconds")
def test_uptime_is_in_seconds(item: str) -> None:
    now = [100.0]

    async def an_hour(_: PerformanceMonitor) -> None:
        now[0] += 3600

    assert _shown(item, an_hour, clock=lambda: now[0], shared=False) == 3600


@proves("key: system_health.error_rate_percent")
def test_the_error_rate_is_the_percentage_of_calls_that_failed(item: str) -> None:
    assert _shown(item, calls(39, failures=1)) == 2.5


@proves("key: system_health.average_response_time_ms")
def test_the_response_time_is_the_mean_of_all_calls_in_milliseconds(item: str) -> None:
    async def work(monitor: PerformanceMonitor) -> None:
        await calls(1, duration_ms=100)(monitor)
        await calls(1, duration_ms=200)(monitor)

    assert _shown(item, work) == pytest.approx(150)


@proves("key: system_health.active_connections")
def test_open_connections_are_counted(item: str, environment: Settings) -> None:
    with redis.connect(environment.redis_url) as connected:
        connected.ping()
        while_connected = _shown(item, _nothing, shared=False)
        connected.connection_pool.disconnect()
        assert _shown(item, _nothing, shared=False) == while_connected - 1


@proves("key: resilience_metrics.circuit_breaker_trips")
def test_a_circuit_that_opens_is_counted(item: str) -> None:
    @circuit(failure_threshold=1, recovery_timeout=30, name="a dashboard's")
    async def order() -> None:
        raise ConnectionError

    async def work(_: PerformanceMonitor) -> None:
        with pytest.raises(ConnectionError):
            await order()

    assert _shown(item, _nothing) == 0
    assert _shown(item, work) == 1


@proves("key: resilience_metrics.timeout_failures")
def test_an_operation_whose_time_is_over_is_counted(item: str) -> None:
    async def work(_: PerformanceMonitor) -> None:
        with pytest.raises(TimeoutExceeded):
            async with TimeoutManager(TimeoutConfig(grace_period=0)).timeout_context("order", 0.02):
                await asyncio.sleep(60)

    assert _shown(item, _nothing) == 0
    assert _shown(item, work) == 1


def _failing(away: Away, retries: int) -> Work:
    """Publish to a Kafka that is away."""

    async def work(_: PerformanceMonitor) -> None:
        async with client(bootstrap_servers=away(), **QUICK | {"max_retry_attempts": retries}) as made:
            await made.publish_event(EVENT, topic="orders")

    return work


@proves("key: resilience_metrics.retry_attempts")
def test_an_attempt_that_is_made_again_is_counted(item: str, away: Away) -> None:
    assert _shown(item, _failing(away, retries=0)) == 0
    assert _shown(item, _failing(away, retries=2)) == 2


@proves("key: resilience_metrics.dead_letter_queue_messages")
def test_a_dead_letter_is_counted(item: str, away: Away) -> None:
    assert _shown(item, _nothing) == 0
    assert _shown(item, _failing(away, retries=0)) == 1


@proves("key: resilience_metrics.grace_period_recoveries")
def test_an_operation_that_finishes_late_but_within_its_grace_period_is_counted(item: str) -> None:
    async def work(_: PerformanceMonitor) -> None:
        async with TimeoutManager(TimeoutConfig(grace_period=30)).timeout_context("order", 0.02):
            await asyncio.sleep(0.1)

    assert _shown(item, _nothing) == 0
    assert _shown(item, work) == 1


@proves("key: component_performance.kafka_client.total_requests")
def test_all_calls_of_a_component_are_counted(item: str) -> None:
    assert _shown(item, calls(4, failures=1)) == 5


@proves("key: component_performance.kafka_client.success_rate_percent")
def test_the_success_rate_is_the_percentage_of_calls_that_went_well(item: str) -> None:
    assert _shown(item, calls(197, failures=3)) == 98.5


@proves("key: component_performance.kafka_client.average_duration_ms")
def test_the_duration_is_the_mean_of_a_component_s_calls_in_milliseconds(item: str) -> None:
    assert _shown(item, calls(5, duration_ms=120)) == pytest.approx(120)


@proves("key: component_performance.kafka_client.p95_duration_ms")
def test_p95_is_what_95_of_100_calls_are_faster_than(item: str) -> None:
    async def work(monitor: PerformanceMonitor) -> None:
        await calls(94, duration_ms=100)(monitor)
        await calls(6, duration_ms=250)(monitor)

    assert _shown(item, calls(94, duration_ms=100)) == pytest.approx(100, rel=0.1)
    assert _shown(item, work) == pytest.approx(250, rel=0.1)


@proves("key: component_performance.kafka_client.error_count")
def test_the_failures_of_a_component_are_counted(item: str) -> None:
    assert _shown(item, calls(2, failures=15)) == 15
