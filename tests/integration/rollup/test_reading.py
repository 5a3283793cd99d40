"""The fleet's truth is read wherever a minute lies, with what this process has not written."""

from typing import Any

from redis import Redis

from monitoring.performance import PerformanceMonitor
from monitoring.recording.sums import Sums
from monitoring.rollup import encoding, process
from monitoring.rollup.batches import Batches
from monitoring.rollup.reading import FleetSource
from orchestrator import keys, settings
from orchestrator.settings import Settings


def _now(client: Redis) -> int:
    told: Any = client.time()
    return int(told[0]) // 60


def _put(client: Redis, name: str, count: int) -> None:
    hashed: Any = encoding.stored(Sums(events={("replay", "shop"): count}))
    client.hset(keys.metrics(name), mapping=hashed | {"id": "1.1"})


def _list(client: Redis, name: str, member: str, minute: int) -> None:
    client.zadd(keys.metrics(name), {member: minute})


def test_all_that_is_kept_and_what_is_recent_is_found_wherever_it_lies(
    environment: Settings, client: Redis
) -> None:
    now = _now(client)
    _put(client, f"minute:{now}", 1)
    _list(client, "minutes", str(now), now)
    for name, minute, count in (
        ("windows", now - 1, 10),
        ("folded", now - 2, 100),
        ("folded", now - 30, 1000),
    ):
        _put(client, f"window:{minute}:1.1", count)
        _list(client, name, f"{minute}:1.1", minute)
    _put(client, "kept", 5000)
    # Listed, and gone.
    _list(client, "minutes", str(now - 5000), now - 5000)

    found = FleetSource(environment).snapshot()

    assert found.kept().events_of("replay") == 5011
    assert found.recent(5).events_of("replay") == 111
    assert found.trouble == ""


def test_what_this_process_has_not_written_is_shown_once(environment: Settings, client: Redis) -> None:
    others, source = Batches(), FleetSource(environment)
    others.put(Sums(events={("replay", "shop"): 2}))
    others.send(client, "")
    process.recorder.record_told("replay", "shop")

    before = source.snapshot()
    process.writer.flush()
    after = source.snapshot()

    shown = [
        (each.total.events_of("replay"), each.kept().events_of("replay"), each.recent(5).events_of("replay"))
        for each in (before, after)
    ]
    assert shown == [(3, 3, 3), (3, 3, 3)]


def test_a_monitor_shows_what_another_process_has_recorded(client: Redis) -> None:
    others = Batches()
    others.put(Sums(events={("timeout_failure", "shop"): 2}))
    others.send(client, "")
    monitor = PerformanceMonitor()
    PerformanceMonitor().record_event("timeout", "shop")

    assert monitor.dashboard()["resilience_metrics"]["timeout_failures"] == 3
    assert 'omninode_timeout_failures_total{component="shop"} 3.0' in monitor.prometheus()
    assert PerformanceMonitor(shared=False).dashboard()["resilience_metrics"]["timeout_failures"] == 0


def test_while_redis_is_away_figures_are_this_processs_and_say_so(
    environment: Settings, client: Redis
) -> None:
    settings.use(environment.model_copy(update={"celery_broker_url": "redis://127.0.0.1:1/0"}))
    try:
        monitor = PerformanceMonitor()
        monitor.record("shop", "order", 1.0, True)
        health, shown = monitor.health(), monitor.dashboard()
        alerts = [alert["name"] for alert in shown["alerts"]]
    finally:
        settings.use(environment)

    assert health["status"] == "degraded"
    assert health["trouble"].startswith("Redis does not answer (ConnectionError: ")
    assert health["reasons"] == [health["trouble"]]
    assert alerts == ["redis_away"]
    assert shown["component_performance"]["shop"]["total_requests"] == 1
    assert monitor.dashboard()["trouble"] is None
