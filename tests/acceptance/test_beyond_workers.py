"""What no worker can mend: a producer or beat whose broker is away, and a Redis that is killed."""

import gc
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError

from orchestrator import keys, settings
from orchestrator.dev.ports import LOOPBACK, free
from orchestrator.dev.stack import Addresses
from orchestrator.install import install
from orchestrator.settings import Settings
from orchestrator.stamp import enqueued_at
from tests.chaos.transport.servers import Server
from tests.commands import omninode
from tests.forked import Forked
from tests.processes import start_module, wait_until
from tests.servers import environment_of

# Refused at once; Celery itself needs 20 seconds where results are awaited.
_AT_ONCE_SECONDS = 10.0
_TOPICAL = Queue("topical", Exchange("birds", "topic"), routing_key="birds.#")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Redis of this file's own, on AOF `always`: tests kill it and start it again."""
    (port,) = free(1)
    made = Server("redis", port, tmp_path_factory.mktemp("redis"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module", autouse=True)
def _environment(stack: Addresses, server: Server) -> Iterator[None]:
    with environment_of(stack, server.url, stack.database_url):
        yield


@pytest.fixture(autouse=True)
def _clean(server: Server) -> None:
    server.client.config_set("maxmemory", 0)
    server.client.flushall()


@pytest.fixture
def app() -> Iterator[Any]:
    with _producer() as made:
        yield made


@pytest.mark.parametrize("options", [{}, {"countdown": 60}, {"ignore_result": True}])
def test_an_enqueue_that_the_broker_refuses_raises_at_once_and_leaves_nothing(
    app: Any, server: Server, options: dict[str, Any]
) -> None:
    app.send_task("before", queue="a")

    with _killed(server):
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(OperationalError):
                app.send_task("refused", queue="a", **options)
            assert time.monotonic() - began < _AT_ONCE_SECONDS

    assert _places(server, "a") == (1, 0, 0)
    app.send_task("after", queue="a")
    assert _places(server, "a") == (2, 0, 0)


# Celery's own: it stores by SETEX, and forgets the sockets of before without closing them.
@pytest.mark.filterwarnings("ignore:Call to deprecated setex", "ignore:unclosed <socket")
def test_a_result_that_was_awaited_before_an_outage_arrives_after_it(app: Any, server: Server) -> None:
    sent = app.send_task("before", queue="a")
    answers: list[Any] = []
    waits = threading.Event()
    waiter = threading.Thread(target=lambda: answers.append(sent.get(timeout=60, on_interval=waits.set)))
    waiter.start()
    assert waits.wait(20)

    with _killed(server), pytest.raises(OperationalError):
        app.send_task("refused", queue="a")
    assert app.send_task("after", queue="a").id
    app.backend.mark_as_done(sent.id, "arrived")

    waiter.join(60)
    assert answers == ["arrived"]


def test_results_that_are_forgotten_during_an_outage_hold_nobody_up(app: Any, server: Server) -> None:
    sent = [app.send_task("before", queue="a") for _ in range(3)]

    with _killed(server):
        began = time.monotonic()
        del sent
        gc.collect()
        assert time.monotonic() - began < _AT_ONCE_SECONDS

    after = app.send_task("after", queue="a")
    app.backend.client.publish(app.backend.get_key_for_task(after.id), _done(after.id))
    assert after.get(timeout=20) == "arrived"


@pytest.mark.parametrize("options", [{}, {"countdown": 60}])
def test_a_full_redis_refuses_an_enqueue_and_says_so(
    app: Any, server: Server, options: dict[str, Any]
) -> None:
    app.send_task("before", queue="a")
    server.client.config_set("maxmemory", 1)

    with pytest.raises(OperationalError, match="maxmemory"):
        app.send_task("refused", queue="a", **options)

    assert _places(server, "a") == (1, 0, 0)


def test_an_enqueue_whose_answer_was_lost_is_repeated_once_under_the_same_id(server: Server) -> None:
    with _wire(server) as (url, command), _producer(redis_url=url) as app:
        app.send_task("before", queue="a", ignore_result=True)
        command("swallow")
        sent: list[Any] = []
        sender = threading.Thread(
            target=lambda: sent.append(app.send_task("doubtful", queue="a", ignore_result=True))
        )
        sender.start()
        wait_until(lambda: server.client.llen("a") == 2, what="the write")
        command("cut")
        sender.join(30)

    ids = [json.loads(raw)["headers"]["id"] for raw in _waiting(server, "a")][:-1]
    assert ids == [sent[0].id] * 2


def test_an_enqueue_to_an_exchange_that_has_lost_its_bindings_raises_and_drops_nothing(
    app: Any, server: Server
) -> None:
    app.send_task("before", queue=_TOPICAL)
    bindings = server.client.smembers("_kombu.binding.birds")
    server.client.delete("_kombu.binding.birds")

    for options in ({}, {"countdown": 60}):
        with pytest.raises(OperationalError, match="no queue is bound to the exchange 'birds'"):
            app.send_task("lost", exchange="birds", routing_key="birds.owl", **options)

    assert _places(server, "topical") == (1, 0, 0)
    assert len(bindings) == 1


def test_bindings_that_were_lost_are_made_anew_by_who_names_the_queue(app: Any, server: Server) -> None:
    app.send_task("before", queue=_TOPICAL)
    server.client.delete("_kombu.binding.birds")

    with _producer() as another:
        another.send_task("after", queue=_TOPICAL)
        another.send_task("by exchange", exchange="birds", routing_key="birds.owl")

    assert _places(server, "topical") == (3, 0, 0)


def test_a_redis_that_is_killed_on_aof_always_has_lost_none_of_200_messages(app: Any, server: Server) -> None:
    sent = [app.send_task("now", queue="a").id for _ in range(100)]
    later = [app.send_task("later", queue="a", countdown=600).id for _ in range(100)]

    with _killed(server):
        pass

    waiting = [json.loads(raw)["headers"]["id"] for raw in _waiting(server, "a")]
    bodies: dict[bytes, bytes] = server.client.hgetall(keys.delayed_messages())  # type: ignore[assignment]
    delayed = [json.loads(value.split(b"\n", 1)[1])["headers"]["id"] for value in bodies.values()]
    assert waiting == sent[::-1]
    assert sorted(delayed) == sorted(later)
    assert server.client.zcard(keys.delayed()) == 100


def test_beat_lives_through_an_outage_says_so_and_makes_up_for_no_tick(
    server: Server, tmp_path: Path
) -> None:
    brisk = {"OMNINODE_HEALTH_INTERVAL_SECONDS": "1"}
    with _beat(tmp_path, brisk) as (process, log):
        wait_until(lambda: len(_ticks(server)) >= 2, 30.0, f"two ticks\n{log.read_text()}")
        with _killed(server):
            missed_from = log.stat().st_size
            wait_until(
                lambda: log.read_text()[missed_from:].count("Couldn't apply scheduled task") >= 2,
                60.0,
                "two missed ticks",
            )
            away = omninode("health", "--only", "beat", "--json")
        before = len(_ticks(server))
        wait_until(lambda: len(_ticks(server)) >= before + 3, 60.0, f"three more ticks\n{log.read_text()}")
        assert process.poll() is None
        back = omninode("health", "--only", "beat", "--json", environment=brisk)

    ticks = _ticks(server)
    gaps = [later - earlier for earlier, later in zip(ticks[before:], ticks[before + 1 :], strict=False)]
    # Those that were missed would come together.
    assert min(gaps) > 0.4
    assert (away.code, back.code) == (1, 0)
    assert "Redis does not answer" in away.stdout


@contextmanager
def _producer(redis_url: str | None = None) -> Iterator[Any]:
    own = {"redis_url": redis_url} if redis_url else {}
    chosen = Settings.model_validate(settings.load().model_dump(exclude_unset=True) | own)
    with install(Celery("producer", set_as_current=False), chosen) as made:
        yield made
        # Results unsubscribe when they are collected: that has to be while their server is still there.
        gc.collect()


@contextmanager
def _killed(server: Server) -> Iterator[None]:
    server.signal(signal.SIGKILL)
    try:
        yield
    finally:
        server.start()


@contextmanager
def _wire(server: Server) -> Iterator[tuple[str, Any]]:
    """A way to the server that loses answers on command; yields its URL and how to command it."""
    (port,) = free(1)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.chaos.transport.proxy", str(port), str(server.port)],
        stdin=subprocess.PIPE,
    )
    assert process.stdin
    orders = process.stdin

    def command(line: str) -> None:
        orders.write(f"{line}\n".encode())
        orders.flush()

    try:
        wait_until(lambda: _is_open(port), what="the wire")
        yield f"redis://{LOOPBACK}:{port}/0", command
    finally:
        orders.close()
        process.wait(10)


@contextmanager
def _beat(folder: Path, variables: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes] | Forked, Path]]:
    log = folder / "beat.log"
    with log.open("wb") as file:
        process = start_module(
            *("celery", "-A", "orchestrator", "beat", "--pidfile="),
            *("--schedule", str(folder / "schedule"), "--loglevel", "info"),
            environment=variables,
            log=file,
        )
        try:
            yield process, log
        finally:
            process.kill()
            process.wait(10)


def _done(task_id: str) -> str:
    """What a worker publishes of a task that has succeeded."""
    return json.dumps({"status": "SUCCESS", "result": "arrived", "children": [], "task_id": task_id})


def _is_open(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def _places(server: Server, queue: str) -> tuple[int, int, int]:
    """How many messages wait, how many due times there are, and how many delayed messages."""
    client: Any = server.client
    return client.llen(queue), client.zcard(keys.delayed()), client.hlen(keys.delayed_messages())


def _waiting(server: Server, queue: str) -> list[bytes]:
    found: Any = server.client.lrange(queue, 0, -1)
    return list(found)


def _ticks(server: Server) -> list[float]:
    """When each message of beat's briskest entry was sent, the earliest first."""
    headers = [json.loads(raw)["headers"] for raw in reversed(_waiting(server, "admin"))]
    return [enqueued_at(each) or 0.0 for each in headers if each["task"] == "omninode.health.check"]
