"""What a monitor finds out about the process that it is in, on real servers."""

from collections.abc import Iterator

import pytest

from monitoring.performance import PerformanceMonitor
from monitoring.rollup import process
from orchestrator import kafka, postgres, redis, settings
from orchestrator.breaker import breaker, hub
from orchestrator.errors import BreakerOpen
from orchestrator.policy import Policy
from orchestrator.settings import Settings


@pytest.fixture
def breakers(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process's breakers on a Redis with nothing in it."""
    yield from _breakers_on(redis_url, monkeypatch)


@pytest.fixture
def breakers_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process's breakers, and no Redis."""
    yield from _breakers_on("redis://127.0.0.1:1/0", monkeypatch)


def _breakers_on(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("REDIS_URL", url)
    settings.use(settings.load())
    process.forget()
    yield
    process.forget()
    hub.forget()
    settings.forget()


def test_connections_are_counted_by_service_and_counting_opens_none(environment: Settings) -> None:
    monitor = PerformanceMonitor()
    with redis.connect(environment.redis_url) as client:
        before = monitor.health()["connections"].get("redis", 0)
        client.ping()
        with postgres.pool().connection():
            producer = kafka.producer(
                environment.kafka_bootstrap_servers,
                timeout_seconds=1,
                max_bytes=1000,
                on_error=lambda _: None,
            )
            during = monitor.health()
            repeated = monitor.health()["connections"]
    postgres.pool().close()

    assert during["connections"]["redis"] == before + 1
    assert during["connections"]["postgresql"] == 1
    assert during["connections"]["kafka"] >= 1
    assert during["active_connections"] == sum(during["connections"].values())
    assert repeated == during["connections"]
    assert len(producer) == 0


def test_a_circuit_that_opens_is_one_trip_and_health_knows_of_it(breakers: None) -> None:
    monitor = PerformanceMonitor()
    payments = breaker("payments of a monitor", Policy(failure_threshold=2, open_seconds=60))

    for _ in range(2):
        with pytest.raises(ConnectionError), payments:
            raise ConnectionError
    with pytest.raises(BreakerOpen), payments:
        pass

    assert monitor.dashboard()["resilience_metrics"]["circuit_breaker_trips"] == 1
    assert monitor.health()["status"] == "degraded"
    assert monitor.health()["reasons"] == [
        "the circuit of 'payments of a monitor' is open: calls of it are not made"
    ]


def test_a_circuit_that_opens_while_redis_is_away_is_one_trip(breakers_alone: None) -> None:
    monitor = PerformanceMonitor()
    local = breaker("a monitor's own", Policy(failure_threshold=1, open_seconds=60))

    with pytest.raises(ConnectionError), local:
        raise ConnectionError

    assert monitor.dashboard()["resilience_metrics"]["circuit_breaker_trips"] == 1
