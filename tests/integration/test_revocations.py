"""Revocations in Redis: those that a task may still come for are kept."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.worker import state
from redis import Redis

from orchestrator import keys, redis
from orchestrator.install import install
from orchestrator.settings import Settings
from orchestrator.worker import revocations

_DAY_SECONDS = 86_400


@pytest.fixture
def server(environment: Settings) -> Redis:
    return redis.connect(environment.redis_url)


@pytest.fixture
def channel(environment: Settings) -> Iterator[Any]:
    with (
        install(Celery("revoking", set_as_current=False), environment) as app,
        app.connection_for_write() as connection,
    ):
        yield connection.default_channel


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    state.revoked.clear()


def test_a_revocation_is_kept_for_31_days(channel: Any, server: Redis) -> None:
    now = time.time()
    server.zadd(keys.revoked(), {"younger": now - 30 * _DAY_SECONDS, "older": now - 32 * _DAY_SECONDS})

    revocations.keep(channel, ["new"])

    assert server.zrange(keys.revoked(), 0, -1) == ["younger", "new"]


def test_a_worker_that_starts_takes_in_what_was_revoked_30_days_ago(channel: Any, server: Redis) -> None:
    server.zadd(keys.revoked(), {"younger": time.time() - 30 * _DAY_SECONDS})

    revocations.load(channel)

    assert list(state.revoked) == ["younger"]
