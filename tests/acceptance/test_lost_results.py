"""A result backend that is away: no outcome is lost, and no success is told as a failure."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from orchestrator import keys
from orchestrator.dev import ports
from orchestrator.dev.stack import Addresses
from tests.acceptance.controlled import RUNS, Place, own_redis
from tests.chaos.transport.servers import Server
from tests.processes import Worker, let_pass, wait_until

_QUEUE = "results"
# What a process logs that could not store an outcome.
_UNSTORED = '"outcome_not_stored"'


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that keeps nothing but results."""
    (port,) = ports.free(1)
    server = Server("results", port, tmp_path_factory.mktemp("results"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def rig(
    stack: Addresses, results: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Place, Server]]:
    with own_redis(
        stack,
        tmp_path_factory.mktemp("broker"),
        CELERY_RESULT_BACKEND=results.url,
        OMNINODE_LEASE_SECONDS="3",
        OMNINODE_MAX_DELIVERIES="3",
    ) as made:
        yield made


@pytest.fixture(scope="module")
def place(rig: tuple[Place, Server]) -> Place:
    return rig[0]


@pytest.fixture(scope="module")
def broker(rig: tuple[Place, Server]) -> Server:
    return rig[1]


@pytest.fixture(scope="module", autouse=True)
def worker(place: Place) -> Iterator[Worker]:
    with place.worker("--queues", _QUEUE, "--without-gossip") as started:
        yield started


@pytest.fixture(autouse=True)
def _all_is_well_afterwards(place: Place, worker: Worker) -> Iterator[None]:
    yield
    wait_until(lambda: place.left(_QUEUE) == 0, 60.0, "an empty broker")
    assert worker.process.poll() is None


def test_a_success_is_kept_until_it_can_be_stored(place: Place, results: Server) -> None:
    with _away(results):
        sent = place.send("slow", 0, queue=_QUEUE)
        wait_until(lambda: place.server.llen(RUNS) == 1, what="the task's end")

    wait_until(lambda: _state(results, sent) == "SUCCESS", 60.0, "the result")

    assert place.starts(sent) == 1
    assert place.letters(sent) == place.signals(sent) == []


def test_a_failure_is_one_letter_and_one_stored_failure(place: Place, results: Server) -> None:
    with _away(results):
        sent = place.send("bad", queue=_QUEUE)
        wait_until(lambda: place.signals(sent) == ["failure"], what="the failure")

    wait_until(lambda: _state(results, sent) == "FAILURE", 60.0, "the result")
    wait_until(lambda: place.letters(sent), what="the letter")

    assert place.letters(sent) == ["exception"]
    assert place.signals(sent) == ["failure"]


def test_a_retry_does_not_wait_for_its_state_to_be_stored(place: Place, results: Server) -> None:
    with _away(results):
        sent = place.send("again", queue=_QUEUE)
        wait_until(lambda: place.signals(sent) == ["retry"], what="the retry")

    wait_until(lambda: _state(results, sent) == "SUCCESS", 60.0, "the result")

    assert place.letters(sent) == []


def test_a_message_is_in_flight_until_its_outcome_is_stored(place: Place, results: Server) -> None:
    with _away(results):
        place.send("good", queue=_QUEUE)
        wait_until(lambda: place.server.hlen(keys.claims()) == 1, what="the claim")
        wait_until(lambda: place.server.llen(_QUEUE) == 0, what="an empty queue")

        assert place.left(_QUEUE) == 1


def test_a_chain_goes_on_when_the_broker_is_away_at_the_end_of_a_step(
    place: Place, broker: Server, results: Server
) -> None:
    step = place.app.signature("control.slow", args=[2.0], queue=_QUEUE)
    last = place.app.signature("control.good", immutable=True, queue=_QUEUE)
    sent: Any = (step | last).apply_async()
    wait_until(lambda: place.starts(sent.parent.id) == 1, what="the start")

    broker.signal(signal.SIGTERM)
    let_pass(3.0)
    broker.start()

    wait_until(lambda: _state(results, sent.id) == "SUCCESS", 60.0, "the chain's end")

    assert place.letters(sent.parent.id) == place.letters(sent.id) == []


def test_an_ignored_member_returns_its_part_of_a_chord_once_that_can_be_stored(
    place: Place, results: Server, worker: Worker
) -> None:
    sent = place.send("of_two", _QUEUE, queue=_QUEUE)
    wait_until(lambda: _state(results, sent) == "SUCCESS", what="the chord")
    member, body = _result(results, sent)
    wait_until(lambda: place.starts(member) == 1, what="the start")
    earlier = worker.log().count(_UNSTORED)

    with _away(results):
        place.server.set("control:go", 1)
        wait_until(lambda: worker.log().count(_UNSTORED) > earlier, 60.0, "the part that cannot be returned")

    wait_until(lambda: _state(results, body) == "SUCCESS", 60.0, "the chord's end")
    assert _result(results, body) == 2
    assert place.letters(member) == place.signals(member) == []
    assert _state(results, member) == "PENDING"


def test_a_step_whose_next_one_has_no_queue_fails_at_once(place: Place, results: Server) -> None:
    nowhere = place.app.signature("control.good", immutable=True, exchange="nowhere", routing_key="nobody")

    step = _step_before(place, nowhere)
    wait_until(lambda: place.letters(step), 30.0, "the letter")

    assert (place.letters(step), place.starts(step)) == (["exception"], 1)
    assert _state(results, step) == "FAILURE"


def test_a_step_whose_next_one_is_refused_each_time_fails_in_the_end(place: Place, results: Server) -> None:
    place.server.set("no-list", "a string")
    refused = place.app.signature("control.good", immutable=True, queue="no-list")

    step = _step_before(place, refused)
    wait_until(lambda: place.letters(step), 60.0, "the letter")

    assert (place.letters(step), place.starts(step)) == (["exception"], 3)
    assert place.signals(step) == ["failure"]
    assert _state(results, step) == "FAILURE"


def _step_before(place: Place, following: Any) -> str:
    """Send a chain of two; returns the id of the first."""
    step = place.app.signature("control.slow", args=[0.0], queue=_QUEUE)
    return str((step | following).apply_async().parent.id)


def _state(results: Server, task_id: str) -> str:
    return str(_stored(results, task_id).get("status", "PENDING"))


def _result(results: Server, task_id: str) -> Any:
    return _stored(results, task_id)["result"]


def _stored(results: Server, task_id: str) -> dict[str, Any]:
    stored: Any = results.client.get(f"celery-task-meta-{task_id}")
    return dict(json.loads(stored or "{}"))


@contextmanager
def _away(server: Server) -> Iterator[None]:
    server.stop()
    yield
    server.start()
