"""What a look finds, every shared monitor of the fleet shows, as the exporter does."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from monitoring.alerts.looking import look_once
from monitoring.performance import PerformanceMonitor
from monitoring.rollup import process, verdicts
from orchestrator import redis
from orchestrator.alerts import changing
from orchestrator.alerts.record import Alert
from orchestrator.alerts.store import Store
from orchestrator.breaker.store import Store as Breakers
from orchestrator.install import install
from orchestrator.policy import Policy
from orchestrator.settings import Settings
from tests.exporters import start_exporter
from tests.patterns.watching import nothing_is_recorded
from tests.processes import wait_until


@pytest.fixture
def client(environment: Settings) -> Iterator[Redis]:
    nothing_is_recorded()
    with redis.connect(environment.broker_url) as connected:
        yield connected


@pytest.fixture
def limits(environment: Settings) -> Settings:
    """Every look is one that counts, however soon it comes."""
    return environment.model_copy(update={"perf_monitor_sampling_interval": 0.001})


def _monitor(**given: Any) -> PerformanceMonitor:
    return PerformanceMonitor(listens=False, **given)


def _names(monitor: PerformanceMonitor) -> list[str]:
    return [each["name"] for each in monitor.dashboard()["alerts"]]


def test_a_monitor_says_what_the_exporter_of_another_process_says(
    client: Redis, environment: Settings, limits: Settings
) -> None:
    monitor = _monitor()
    with install(Celery("unserved", set_as_current=False), environment) as app:
        app.send_task("lost", queue="typo")
    breakers = Breakers(client)
    breakers.register("billing", Policy())
    breakers.control("billing", "open", who="ada", why="a trial")
    monitor.record("shop", "order", 5.0, False, "KeyError")
    process.flush()
    assert monitor.health()["status"] == "healthy"

    with start_exporter() as exporter:
        wait_until(lambda: monitor.health()["status"] == "critical", what="a look")
        ours, theirs = monitor.health(), exporter.ask("/health").json()
        for _ in range(3):
            look_once(limits)
        shown, told = monitor.dashboard(), exporter.ask("/dashboard").json()
        wait_until(lambda: exporter.ask("/dashboard").json()["alerts"] == shown["alerts"], what="the same")

    assert (ours["status"], ours["reasons"]) == (theirs["status"], theirs["reasons"])
    told_of = (
        "no worker lives",
        "beat was not seen for a day",
        "the circuit of 'billing' is open",
        "1 task in the queue 'typo', which no worker serves",
    )
    assert len(ours["reasons"]) == len(told_of)
    assert all(map(str.startswith, ours["reasons"], told_of))
    assert {"no_workers", "beat_late", "no_consumer:typo"} <= {each["name"] for each in shown["alerts"]}
    assert shown["system_health"]["status"] == told["system_health"]["status"] == "critical"
    assert "omninode_system_health_status 2.0" in monitor.prometheus()


def test_with_thresholds_of_its_own_it_has_alerts_of_its_own_beside_the_fleets(
    client: Redis, limits: Settings
) -> None:
    for _ in range(2):
        look_once(limits)
    ours, strict = _monitor(), _monitor(alert_threshold_response_time_ms=1)
    for _ in range(20):
        ours.record("shop", "order", 5.0, True)

    assert _names(ours) == ["beat_late", "no_workers"]
    assert _names(strict) == ["beat_late", "no_workers", "response_time:shop"]
    assert _names(_monitor(shared=False)) == []


def test_when_nobody_looks_any_more_it_judges_by_itself_again(client: Redis, limits: Settings) -> None:
    monitor = _monitor()
    look_once(limits)
    assert monitor.health()["status"] == "critical"
    assert client.ttl(verdicts.key()) in range(1, 31)

    client.delete(verdicts.key())

    assert (monitor.health()["status"], monitor.health()["reasons"]) == ("healthy", [])


@pytest.mark.parametrize("text", ["", "1 {}", "x {}", '1 {"status": "healthy", "reasons": [{}]}', "1 []"])
def test_a_verdict_of_another_release_is_none(client: Redis, text: str) -> None:
    client.set(verdicts.key(), text)

    assert _monitor().health()["status"] == "healthy"


def test_the_relays_alerts_are_shown_though_nobody_looks(client: Redis) -> None:
    store = Store(client)
    standing = store.read()
    store.apply(standing, [changing.found(standing, Alert("outbox_waits", "critical", "Letters wait."))])

    assert _names(_monitor()) == ["outbox_waits"]
