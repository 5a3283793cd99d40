"""A real worker sets aside what depends on an open circuit, and goes on with it when it closes."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from celery import Celery
from redis import Redis

from orchestrator import keys, redis
from orchestrator.breaker.store import Store
from orchestrator.install import install
from orchestrator.settings import Settings
from tests.processes import Worker, wait_until

Database = psycopg.Connection[Any]


@pytest.fixture
def client(environment: Settings) -> Iterator[Redis]:
    with redis.connect(environment.redis_url) as connected:
        yield connected


@pytest.fixture
def app(environment: Settings) -> Iterator[Celery]:
    with closing(install(Celery("tests", set_as_current=False), environment)) as installed:
        yield installed


def _send(app: Celery, source: str, *numbers: int) -> None:
    for number in numbers:
        hook = {
            "event": "ping",
            "payload": {},
            "source": source,
            "delivery_id": f"{source}-{number}",
        }
        app.send_task("omninode.hooks.process", args=(hook,))


def _stored(database: Database) -> list[str]:
    found = database.execute(
        "SELECT delivery_id FROM hook_events WHERE status <> 'failed' AND duplicates = 0 ORDER BY delivery_id"
    )
    return [row[0] for row in found]


def test_hooks_wait_for_what_they_need_use_no_attempt_and_hold_up_no_others(
    worker: Worker, app: Celery, client: Redis, store: Store, database: Database
) -> None:
    def waiting(breaker: str) -> Any:
        return client.zcard(keys.aside(breaker))

    # What GitHub's handlers need is away: others are processed.
    store.control("hooks:github", "open", who="a test", why="it is away")
    _send(app, "github", 1, 2)
    _send(app, "shop", 1)
    wait_until(lambda: waiting("hooks:github") == 2, what="the hooks' being set aside")
    wait_until(lambda: _stored(database) == ["shop-1"], what="the other source's hook")
    store.control("hooks:github", "close", who="a test", why="it is back")
    wait_until(lambda: len(_stored(database)) == 3, what="the hooks that waited")

    # PostgreSQL is away: no hook can be stored, whether it has handlers or not.
    store.control("postgresql", "isolate", who="a test", why="it is away")
    _send(app, "github", 3)
    _send(app, "shop", 2)
    wait_until(lambda: waiting("postgresql") == 2, what="the hooks' wait for PostgreSQL")
    store.control("postgresql", "close", who="a test", why="it is back")
    wait_until(
        lambda: _stored(database) == ["github-1", "github-2", "github-3", "shop-1", "shop-2"],
        what="all hooks",
    )

    assert client.xlen(keys.outbox()) == 0
    assert "is tried again" not in worker.log()
