"""The fleet is gathered from real servers; what does not answer is unknown, and hides nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from monitoring.fleet.figures import Fleet
from monitoring.fleet.gather import gather
from monitoring.fleet.verdict import judge_fleet
from monitoring.judging.health import Health
from monitoring.judging.thresholds import Given
from monitoring.recording.sums import Snapshot
from orchestrator import keys, redis
from orchestrator.beat import Pulse
from orchestrator.breaker.store import Store
from orchestrator.install import install
from orchestrator.policy import Policy
from orchestrator.settings import Settings

_NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def server(environment: Settings) -> Redis:
    return redis.connect(environment.redis_url)


@pytest.fixture
def app(environment: Settings) -> Iterator[Celery]:
    with install(Celery("gathered", set_as_current=False), environment) as made:
        yield made


def test_an_empty_fleet_is_known_to_be_empty(environment: Settings) -> None:
    fleet = gather(environment)

    assert fleet.unknown == {}
    assert (fleet.workers, fleet.breakers, fleet.processes) == ((), {}, ())
    assert fleet.beat is not None
    assert (fleet.beat.age_seconds, fleet.beat.rival) == (None, None)
    assert fleet.running is not None
    assert (fleet.running.count, fleet.running.overdue) == (0, 0)
    assert fleet.relays is not None
    assert (fleet.relays.count, fleet.relays.outbox) == (0, 0)
    assert fleet.letters is not None
    assert fleet.letters.open_letters == 0
    assert fleet.metrics_behind_minutes == 0


def test_a_task_in_a_queue_that_nobody_declares_or_serves_is_found_with_its_age(
    environment: Settings, app: Celery, server: Redis
) -> None:
    app.send_task("lost", queue="typo", headers={"omninode-enqueued-at": time.time() - 600})
    server.rpush("shopping", "bread")

    fleet = gather(environment)

    assert fleet.queues is not None
    assert "shopping" not in fleet.queues
    typo = fleet.queues["typo"]
    assert (typo.waiting, typo.delayed, typo.in_flight, typo.workers) == (1, 0, 0, 0)
    assert 600 <= (typo.oldest_waiting_seconds or 0) < 660
    health = _judged(fleet, environment)
    assert {"no_consumer:typo", "queue_age:typo", "no_workers"} <= _names(health)
    (sentence,) = (each.sentence for each in health.reasons if each.name == "no_consumer:typo")
    assert "if its name is a mistake, `omninode queues purge typo`" in sentence
    assert (typo.is_declared, fleet.queues["admin"].is_declared) == (False, True)


def test_what_is_wrong_with_each_part_is_seen(environment: Settings, server: Redis) -> None:
    now = time.time()
    Pulse(server, "old beat", clock=lambda: now - 3600).tick()
    store = Store(server)
    store.register("openai", Policy())
    store.control("openai", "open", who="me", why="a test")
    server.xadd(keys.outbox(), {"id": "1"}, id=f"{int(now - 120) * 1000}-1")
    server.zadd(keys.metrics("minutes"), {"1": int(now // 60) - 30})
    server.hset(
        keys.workers(),
        mapping={
            "gone": json.dumps(_worker("gone") | {"at": now - 16}),
            "here": json.dumps(_worker("here") | {"at": now}),
            "odd": "not one of ours",
        },
    )
    key = keys.running("one")
    server.set(
        key, json.dumps({"host": "h", "pid": 1, "worker": "w", "left_out": 0, "entries": [_stuck(now)]})
    )
    server.expire(key, 60)
    server.zadd(keys.running_processes(), {"one": now})

    fleet = gather(environment)

    assert fleet.unknown == {}
    assert [worker.node for worker in fleet.workers or ()] == ["here"]
    assert fleet.metrics_behind_minutes == 30
    assert fleet.breakers is not None
    assert fleet.breakers["openai"].state == "open"
    assert 0 <= (fleet.breakers["openai"].open_seconds or -1) < 60
    assert fleet.running is not None
    assert (fleet.running.count, fleet.running.overdue) == (1, 1)
    health = _judged(fleet, environment)
    assert health.status == "degraded"
    assert _names(health) == {"beat_late", "circuit:openai", "relay_away", "metrics_behind", "stuck_tasks"}


def test_a_broker_that_is_away_hides_neither_what_postgresql_says_nor_the_other_redis(
    environment: Settings, server: Redis
) -> None:
    Pulse(server, "beat").tick()
    apart = environment.model_copy(update={"celery_broker_url": _NOWHERE})

    fleet = gather(apart)

    assert (fleet.queues, fleet.workers, fleet.relays, fleet.metrics_behind_minutes) == (
        None,
        None,
        None,
        None,
    )
    assert fleet.beat is not None
    assert fleet.beat.name == "beat"
    assert {"redis", "queues", "workers", "relays", "processes", "metrics_behind_minutes"} == set(
        fleet.unknown
    )
    assert "onnect" in fleet.unknown["queues"]
    assert fleet.unknown["redis"].endswith("(the one of the broker)")
    health = _judged(fleet, apart)
    assert health.status == "critical"
    assert "redis_away" in _names(health)
    assert "no_workers" not in _names(health)


def test_a_postgresql_that_is_away_leaves_letters_unknown_and_degrades(environment: Settings) -> None:
    apart = environment.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"})

    fleet = gather(apart)

    assert fleet.relays is not None
    assert (fleet.relays.outbox, fleet.letters) == (0, None)
    assert set(fleet.unknown) == {"letters"}
    with_workers = replace(fleet, workers=None, beat=None)
    assert _names(_judged(with_workers, apart)) == {"unknown:letters"}


def _judged(fleet: Fleet, settings: Settings) -> Health:
    snapshot = Snapshot(minute=0, uptime_seconds=0.0)
    return judge_fleet(snapshot, fleet, Given().resolved(), settings)


def _names(health: Health) -> set[str]:
    return {reason.name for reason in health.reasons}


def _worker(node: str) -> dict[str, Any]:
    return {"node": node, "host": "h", "pid": 1, "pool": "prefork", "concurrency": 2, "queues": ["celery"]}


def _stuck(now: float) -> dict[str, Any]:
    """A task of a pool of threads, whose deadline has passed."""
    return {
        "kind": "task",
        "name": "slow",
        "task_id": "1",
        "pid": 1,
        "started_at": now - 100,
        "elapsed_seconds": 100,
        "limit": "",
        "limit_seconds": None,
        "deadline": now - 20,
        "state": "running",
        "explained": None,
    }
