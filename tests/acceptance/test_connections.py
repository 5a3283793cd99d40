"""Every way to reach the broker: messages go out, come back, and leave nothing behind."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from orchestrator import keys, redis, settings
from orchestrator.install import install
from tests.certificates import self_signed
from tests.own_redis import OwnRedis, own_redis
from tests.processes import Worker, start_worker, wait_until
from tests.wire import wire

_PREFIX = "shop:"
_USERS = (
    "user default on nopass ~* &* +@all",
    "user polling on >secret ~* &* +@all -client|tracking",
)


@dataclass(frozen=True)
class Way:
    """How a worker and a producer reach their broker and their results."""

    url: str
    database: int = 0
    broker_url: str = ""
    prefix: str = ""
    polls: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What the worker's environment says of it."""
        return {
            "REDIS_URL": self.url,
            "CELERY_BROKER_URL": self.broker_url or self.url,
            "CONNECTIONS_BROKER_OPTIONS": json.dumps(self.options),
            "CONNECTIONS_RESULT_OPTIONS": json.dumps(self.options),
        }


@dataclass(frozen=True)
class Reached:
    """A worker and a producer that reach their broker in a certain way, and the database that it is."""

    way: Way
    app: Celery
    worker: Worker
    database: Redis


@pytest.fixture(scope="module")
def server() -> Iterator[OwnRedis]:
    with own_redis(*_USERS) as started:
        yield started


@contextmanager
def _tls(server: OwnRedis, folder: Path) -> Iterator[Way]:
    context, certificate = self_signed(folder)
    with wire(server.port, tls=context) as port:
        yield Way(f"rediss://127.0.0.1:{port}/1?ssl_cert_reqs=required&ssl_ca_certs={certificate}", 1)


@contextmanager
def _socket(server: OwnRedis, _: Path) -> Iterator[Way]:
    yield Way(f"redis+socket://{server.socket}?virtual_host=2", 2)


@contextmanager
def _prefix(server: OwnRedis, _: Path) -> Iterator[Way]:
    yield Way(f"redis://127.0.0.1:{server.port}/3", 3, prefix=_PREFIX, options={"global_keyprefix": _PREFIX})


@contextmanager
def _without_tracking(server: OwnRedis, _: Path) -> Iterator[Way]:
    yield Way(f"redis://polling:secret@127.0.0.1:{server.port}/4", 4, polls=True)


@contextmanager
def _without_resp3(server: OwnRedis, _: Path) -> Iterator[Way]:
    with wire(server.port, resp3=False) as port:
        url = f"redis://127.0.0.1:{port}/5"
        yield Way(f"{url}?protocol=2", 5, url, polls=True, options={"protocol": 2})


@pytest.fixture(scope="module", params=[_tls, _socket, _prefix, _without_tracking, _without_resp3])
def reached(request: Any, server: OwnRedis, tmp_path_factory: Any) -> Iterator[Reached]:
    with ExitStack() as stack:
        way = stack.enter_context(request.param(server, tmp_path_factory.mktemp("way")))
        app = stack.enter_context(_producer(way))
        worker = stack.enter_context(
            start_worker(app="tests.acceptance.connection_tasks", environment=way.environment, concurrency=1)
        )
        database = stack.enter_context(server.database(way.database))
        yield Reached(way, app, worker, database)
        # It holds nothing, and a warm shutdown takes seconds.
        os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait(10)


@contextmanager
def _producer(way: Way) -> Iterator[Celery]:
    app = Celery("connections", set_as_current=False)
    app.conf.broker_transport_options = app.conf.result_backend_transport_options = way.options
    with install(app, settings.Settings(redis_url=way.url, celery_broker_url=way.broker_url or way.url)):
        yield app
    settings.forget()


def test_a_message_that_comes_to_an_idle_worker_is_run(reached: Reached) -> None:
    wait_until(lambda: reached.database.exists(keys.pulse(reached.way.prefix)), what="a worker that waits")

    assert reached.app.send_task("connections.good").get(timeout=30) == "good"


def test_a_message_with_a_countdown_is_run(reached: Reached) -> None:
    sent = reached.app.send_task("connections.good", countdown=1)

    assert reached.database.zcard(keys.delayed(reached.way.prefix)) == 1
    assert sent.get(timeout=30) == "good"


def test_our_own_client_reaches_the_same_database(reached: Reached) -> None:
    with redis.connect(reached.way.url) as client:
        assert client.exists(keys.pulse(reached.way.prefix))


def test_nothing_is_left_in_the_broker(reached: Reached) -> None:
    assert reached.app.send_task("connections.good").get(timeout=30) == "good"

    prefix = reached.way.prefix
    left = {
        f"{prefix}celery",
        keys.claims(prefix),
        keys.leases(prefix),
        keys.started(prefix),
        keys.delayed(prefix),
        keys.delayed_messages(prefix),
        keys.outbox(prefix),
    }
    wait_until(lambda: not left & _names(reached.database), what="an empty broker")


def test_every_key_has_the_prefix_of_its_broker(reached: Reached) -> None:
    assert reached.app.send_task("connections.good", countdown=0.2).get(timeout=30) == "good"

    names = _names(reached.database)
    assert names
    assert {name for name in names if not name.startswith(reached.way.prefix)} == set()


def test_a_server_that_cannot_tell_of_changes_is_named(reached: Reached) -> None:
    assert ("no_client_tracking" in reached.worker.log()) == reached.way.polls


def _names(database: Redis) -> set[str]:
    return set(database.scan_iter(count=1000))
