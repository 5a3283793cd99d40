"""How long the message that is claimed next has waited, read where it lies."""

from __future__ import annotations

import time
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from orchestrator import redis
from orchestrator.install import install
from orchestrator.queues import fronts
from orchestrator.queues.fronts import Front
from orchestrator.queues.lists import Lists
from orchestrator.retry.again import PutBack
from orchestrator.settings import Settings
from orchestrator.transport.envelope import Envelope, decode, encode
from orchestrator.worker.next_attempt import failed

# Looks like the headers that are looked for, and is said by somebody else.
_LIES = '"omninode-enqueued-at": 1, "omninode-failures": [["2001-01-01T00:00:00.000+00:00"]], "eta": "'


@pytest.fixture
def server(environment: Settings) -> Redis:
    return redis.connect(environment.redis_url)


@pytest.fixture
def sent(environment: Settings, server: Redis) -> Envelope:
    """The message of a task that was enqueued a thousand seconds ago."""
    with install(Celery("waits", set_as_current=False), environment) as app:
        app.send_task(_LIES, args=[_LIES], queue="q", headers={"omninode-enqueued-at": time.time() - 1000})
    raw: Any = server.rpop("q")
    return decode(raw.encode())


def test_a_task_waits_since_its_enqueue(server: Redis, sent: Envelope) -> None:
    assert _oldest(server, sent) in range(1000, 1060)


def test_a_task_that_is_tried_again_waits_since_its_last_attempt(server: Redis, sent: Envelope) -> None:
    again = PutBack(delay_seconds=0.0, headers={"retries": 1})
    asked = failed(again, sent["headers"], ValueError(_LIES), "w")

    assert _oldest(server, sent, asked.headers) in range(60)


def test_a_task_that_was_set_aside_waits_since_then(server: Redis, sent: Envelope) -> None:
    aside = {"id": "1", "since": time.time() - 50, "breaker": "odd}"}

    assert _oldest(server, sent, {"omninode-aside": aside}) in range(50, 110)


def test_the_oldest_of_all_priorities_counts_and_what_says_nothing_is_unknown(
    server: Redis, sent: Envelope
) -> None:
    server.lpush("q", "no message of ours")
    assert _look(server) == Front({0: 1, 3: 0, 6: 0, 9: 0}, None, has_task=False)

    server.lpush("q\x06\x169", encode(sent))

    front = _look(server)
    assert (front.messages, front.has_task) == ({0: 1, 3: 0, 6: 0, 9: 1}, True)
    assert int(front.oldest_seconds or 0) in range(1000, 1060)


def _oldest(server: Redis, sent: Envelope, headers: dict[str, Any] | None = None) -> int:
    server.lpush("q", encode(sent | {"headers": sent["headers"] | (headers or {})}))
    seconds = _look(server).oldest_seconds
    assert seconds is not None
    return int(seconds)


def _look(server: Redis) -> Front:
    return fronts.look(server, Lists(), ["q"])["q"]
