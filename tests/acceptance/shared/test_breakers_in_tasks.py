"""Tasks whose dependency is away are set aside: none runs, none is retried, none is lost."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from orchestrator import keys
from orchestrator.breaker.state import Action
from orchestrator.breaker.store import Store
from orchestrator.settings import Settings
from tests.acceptance import breaker_tasks
from tests.acceptance.shared_place import letters, stock_app_in, wait_until_empty
from tests.asides import set_aside
from tests.processes import Worker, start_worker, wait_until

_QUEUE = "breakers"
_ENVIRONMENT = {
    "OMNINODE_IMPORTS": breaker_tasks.__name__,
    "OMNINODE_LEASE_SECONDS": "2",
    "OMNINODE_BREAKERS": json.dumps(
        {
            "bank:*": {"ramp_seconds": 1, "ramp_per_second": 20},
            "shop": {"failure_threshold": 3, "open_seconds": 0.3, "open_cap_seconds": 0.3, "ramp_seconds": 0},
            "early": {"failure_threshold": 5, "ramp_seconds": 0},
            "impatient": {"wait_limit_seconds": 0.2},
            "*": {"failure_threshold": 1, "open_seconds": 30},
        }
    ),
}


@pytest.fixture(scope="module")
def environment(environment: Settings) -> Iterator[Settings]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _ENVIRONMENT.items():
            patch.setenv(name, value)
        yield environment


@pytest.fixture(scope="module")
def worker(environment: Settings) -> Iterator[Worker]:
    with start_worker("--queues", _QUEUE, concurrency=2) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_ran(server: Any) -> None:
    server.delete(breaker_tasks.RAN)


@pytest.mark.usefixtures("worker")
def test_while_a_circuit_is_open_no_task_runs_and_when_it_closes_all_do_in_order(
    server: Any, app: Celery, environment: Settings
) -> None:
    _control(server, "bank:a", "open", seconds=600)
    with stock_app_in(environment) as stock:
        for number in range(0, 30, 2):
            # A plain producer says nothing of breakers.
            stock.send_task("breakers.pay", ("a", number), queue=_QUEUE)
            app.send_task("breakers.pay", ("a",), {"number": number + 1}, queue=_QUEUE)
            _wait_aside(server, "bank:a", number + 2)
    other = app.send_task("breakers.pay", ("b", 0), queue=_QUEUE)
    assert other.get(timeout=20) == "b 0"
    assert _ran(server) == ["b 0"]

    _control(server, "bank:a", "close")
    wait_until(lambda: len(_ran(server)) == 31, what="the end of all")

    numbers = [int(word.split()[1]) for word in _ran(server)[1:]]
    # Two processes may overtake each other.
    assert all(abs(number - place) <= 2 for place, number in enumerate(numbers))
    assert _most_in_a_second(server) <= 25
    wait_until_empty(server, _QUEUE)
    assert server.keys("omninode:1:aside*") == []
    assert server.xlen(keys.outbox()) == 0


@pytest.mark.usefixtures("worker")
def test_an_outage_uses_no_retry(server: Any, app: Celery) -> None:
    server.set(breaker_tasks.AWAY, 1)
    sent = [app.send_task(f"breakers.{task}", queue=_QUEUE) for task in 3 * ("ask", "ask_as_celery")]
    _wait_aside(server, "shop", 6)
    # Probes fail meanwhile.
    wait_until(lambda: _trips(server, "shop") > 3, what="another trip")
    # Those that have failed as probes wait no longer than the others.
    assert all(abs(waits - 3600) < 0.2 for waits in _waits(server, "shop"))
    server.delete(breaker_tasks.AWAY)

    # Two have failed before the circuit opened.
    assert sum(each.get(timeout=20) for each in sent) <= 2
    wait_until_empty(server, _QUEUE)


@pytest.mark.usefixtures("worker")
def test_a_failure_before_the_trip_that_is_settled_after_it_uses_no_retry(server: Any, app: Celery) -> None:
    sent = app.send_task("breakers.fail_early", queue=_QUEUE)
    _wait_aside(server, "early", 2)

    _control(server, "early", "close")

    assert sent.get(timeout=20) == 0
    wait_until_empty(server, _QUEUE)


@pytest.mark.usefixtures("worker")
def test_a_task_that_calls_an_open_circuit_is_set_aside_for_it(server: Any, app: Celery) -> None:
    _control(server, "inner", "open", seconds=600)
    sent = app.send_task("breakers.call", queue=_QUEUE)
    _wait_aside(server, "inner", 1)

    _control(server, "inner", "close")

    assert sent.get(timeout=20) == "call"
    assert letters(server, sent.id) == []


@pytest.mark.usefixtures("worker")
def test_a_task_that_calls_a_circuit_itself_may_be_its_probe(server: Any, app: Celery) -> None:
    _control(server, "inner", "open", seconds=0.5)
    sent = app.send_task("breakers.call", queue=_QUEUE)

    assert sent.get(timeout=20) == "call"
    wait_until(lambda: Store(server).read(["inner"])[0].circuit == "closed", what="the end of the outage")


@pytest.mark.usefixtures("worker")
def test_what_waits_in_a_queue_that_nobody_claims_from_is_no_probe(server: Any, app: Celery) -> None:
    _control(server, "bank:e", "open", seconds=600)
    app.send_task("breakers.pay", ("e", 0), queue="unclaimed")
    set_aside(server, "unclaimed", "bank:e", since=0, limit_seconds=600)
    sent = app.send_task("breakers.pay", ("e", 1), queue=_QUEUE)
    _wait_aside(server, "bank:e", 2)

    _control(server, "bank:e", "open", seconds=0.1)

    assert sent.get(timeout=20) == "e 1"
    wait_until(lambda: server.delete("unclaimed"), what="the end of the other's wait")


@pytest.mark.usefixtures("worker")
def test_what_waits_for_longer_than_it_may_is_one_letter(server: Any, app: Celery) -> None:
    _control(server, "impatient", "open", seconds=600)
    headers = {"omninode-breaker": "impatient"}
    sent = app.send_task("breakers.pay", ("c", 1), queue=_QUEUE, headers=headers)

    wait_until(lambda: letters(server, sent.id), what="its letter")

    (letter,) = letters(server, sent.id)
    assert letter["reason"] == "circuit_open"
    assert letter["attempts"] == "1"
    assert "for the circuit of 'impatient' to close" in letter["message"]
    assert sent.state == "FAILURE"
    assert _ran(server) == []


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("task", "name", "error"),
    [("hang", "hanging", "TimeLimitExceeded"), ("die", "deadly", "WorkerLostError")],
)
def test_a_killed_process_counts_as_a_failure_of_what_its_task_depends_on(
    server: Any, app: Celery, task: str, name: str, error: str
) -> None:
    app.send_task(f"breakers.{task}", queue=_QUEUE)

    wait_until(lambda: Store(server).read([name])[0].circuit == "open", what="the trip")

    details = Store(server).details(name)
    assert details is not None
    assert error in details.error


def test_a_worker_that_is_killed_while_messages_wait_loses_none(
    server: Any, app: Celery, worker: Worker
) -> None:
    _control(server, "bank:d", "open", seconds=600)
    with start_worker("--queues", "mortal", concurrency=2) as mortal:
        sent = [app.send_task("breakers.pay", ("d", number), queue="mortal") for number in range(5)]
        _wait_aside(server, "bank:d", 5)
        os.killpg(mortal.process.pid, signal.SIGKILL)
    _control(server, "bank:d", "close")
    app.control.add_consumer("mortal", destination=[worker.node])

    assert [each.get(timeout=20) for each in sent] == [f"d {number}" for number in range(5)]
    wait_until_empty(server, "mortal")


def _control(server: Redis, name: str, action: Action, seconds: float | None = None) -> None:
    Store(server).control(name, action, who="a test", why="on purpose", seconds=seconds)


def _wait_aside(server: Any, name: str, messages: int) -> None:
    wait_until(lambda: _aside(server, name) == messages, what="the wait")


def _aside(server: Any, name: str) -> int:
    return int(server.zcard(keys.aside(name)))


def _waits(server: Any, name: str) -> list[float]:
    """How long each that waits now may wait in all, in seconds."""
    ends = server.zrange(keys.aside(name), 0, -1, withscores=True)
    messages = server.hgetall(keys.aside_messages())
    since = {
        aside_id: json.loads(message.partition("\n")[2])["headers"]["omninode-aside"]["since"]
        for aside_id, message in messages.items()
    }
    return [end / 1000 - since[aside_id] for aside_id, end in ends if aside_id in since]


def _trips(server: Any, name: str) -> int:
    return sum(each.after == "open" for each in Store(server).history(name, 100))


def _ran(server: Any) -> list[str]:
    return [entry.split(" ", 1)[1] for entry in server.lrange(breaker_tasks.RAN, 0, -1)]


def _most_in_a_second(server: Any) -> int:
    times = [float(entry.split()[0]) for entry in server.lrange(breaker_tasks.RAN, 0, -1)]
    return max(sum(start <= other < start + 1 for other in times) for start in times)
