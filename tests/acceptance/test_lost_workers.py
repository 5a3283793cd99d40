"""Workers that are killed or frozen: what they held is not lost, and nobody gets it before its lease ends."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from orchestrator import keys, redis
from orchestrator.dev.stack import Addresses
from orchestrator.install import install
from orchestrator.settings import Settings
from tests.processes import Worker, start_worker, wait_until
from tests.servers import clean_redis, environment_of, fresh_database

_QUEUE = "lost"
_LEASE_SECONDS = 2.0
_ENVIRONMENT = {
    "OMNINODE_IMPORTS": "tests.acceptance.row_tasks",
    "OMNINODE_LEASE_SECONDS": str(_LEASE_SECONDS),
}


@pytest.fixture(scope="module")
def environment(stack: Addresses, template: str) -> Iterator[Settings]:
    with (
        clean_redis(stack.redis_url) as redis_url,
        fresh_database(stack.database_url, template) as database_url,
        environment_of(stack, redis_url, database_url) as settings,
    ):
        yield settings


@pytest.fixture(scope="module")
def server(environment: Settings) -> Any:
    return redis.connect(environment.redis_url)


@pytest.fixture(scope="module")
def app(environment: Settings) -> Iterator[Celery]:
    with install(Celery("lost", set_as_current=False), environment) as made:
        yield made


def test_what_a_killed_worker_held_runs_elsewhere_when_its_lease_has_ended(app: Celery, server: Any) -> None:
    with start_worker("--queues", _QUEUE, environment=_ENVIRONMENT) as first:
        sent = [app.send_task("rows.slow", args=[6], queue=_QUEUE) for _ in range(4)]
        wait_until(lambda: server.hlen(keys.claims()) == 4, what="the claims")
        _kill(first)
    killed_at = time.monotonic()

    with start_worker("--queues", _QUEUE, environment=_ENVIRONMENT):
        assert server.hlen(keys.claims()) == 4 or time.monotonic() - killed_at >= _LEASE_SECONDS / 2
        assert [result.get(timeout=60) for result in sent] == ["slow"] * 4
        wait_until(lambda: server.hlen(keys.claims()) == 0, what="the settlements")


def test_a_message_that_arrives_at_a_frozen_worker_is_not_lost(app: Celery, server: Any) -> None:
    for _ in range(3):
        with start_worker("--queues", _QUEUE, environment=_ENVIRONMENT) as frozen:
            os.kill(frozen.process.pid, signal.SIGSTOP)
            sent = app.send_task("rows.good", queue=_QUEUE)
            _kill(frozen)

        with start_worker("--queues", _QUEUE, environment=_ENVIRONMENT):
            assert sent.get(timeout=30) == "good"


def test_a_task_that_runs_longer_than_its_lease_runs_once(app: Celery, server: Any) -> None:
    with (
        start_worker("--queues", _QUEUE, environment=_ENVIRONMENT),
        start_worker("--queues", _QUEUE, environment=_ENVIRONMENT),
    ):
        sent = app.send_task("rows.slow", args=[3 * _LEASE_SECONDS], queue=_QUEUE)
        assert sent.get(timeout=30) == "slow"

    assert server.hget("rows:starts", sent.id) == "1"


def test_a_warm_shutdown_of_an_idle_worker_is_short_and_takes_nothing_along(app: Celery, server: Any) -> None:
    with start_worker("--queues", _QUEUE, environment=_ENVIRONMENT) as worker:
        assert app.send_task("rows.good", queue=_QUEUE).get(timeout=30) == "good"
        worker.process.terminate()
        worker.process.wait(timeout=10)

    assert server.hlen(keys.claims()) == server.zcard(keys.leases()) == 0


def test_a_cold_shutdown_reports_nothing_false(app: Celery, server: Any) -> None:
    with start_worker("--queues", _QUEUE, environment=_ENVIRONMENT) as worker:
        sent = app.send_task("rows.slow", args=[20], queue=_QUEUE)
        wait_until(lambda: server.hget("rows:starts", sent.id), what="the start")
        worker.process.send_signal(signal.SIGQUIT)
        worker.process.wait(timeout=20)

    assert sent.state == "PENDING"
    assert server.llen(_QUEUE) == 1
    assert server.hlen(keys.claims()) == 0
    server.delete(_QUEUE)


def _kill(worker: Worker) -> None:
    os.killpg(worker.process.pid, signal.SIGKILL)
    worker.process.wait(timeout=10)
