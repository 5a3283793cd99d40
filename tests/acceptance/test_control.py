"""What people do to running workers: ask, revoke, limit, move and stop them. Nothing is lost by it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from celery import Celery
from celery.events import EventReceiver

from orchestrator import keys
from orchestrator.dev.stack import Addresses
from orchestrator.queues import serving
from tests.acceptance.controlled import SECONDS, Place, kill, shared_redis
from tests.processes import Worker, wait_until

_QUEUE = "controlled"
_ALONE = ("--without-gossip",)
_ANSWERED: dict[str, Any] = {"reply": True, "timeout": 10, "limit": 1}


@pytest.fixture(scope="module")
def place(stack: Addresses) -> Iterator[Place]:
    with shared_redis(stack) as made:
        made.app.conf.task_send_sent_event = True
        yield made


@pytest.fixture(scope="module", autouse=True)
def worker(place: Place) -> Iterator[Worker]:
    # Celery's three hours, made short.
    forgetful = {"CELERY_WORKER_REVOKE_EXPIRES": "1"}
    with place.worker("--queues", _QUEUE, "-E", *_ALONE, environment=forgetful) as started:
        yield started
        kill(started)


@pytest.fixture(autouse=True)
def _still_works_afterwards(place: Place) -> Iterator[None]:
    yield
    assert place.result(place.send("good", queue=_QUEUE)) == "good"
    wait_until(lambda: place.left(_QUEUE) == 0, what="an empty broker")


# -- events


@contextmanager
def _listening(place: Place) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Events of tasks; each call of what is yielded takes in what has come, and returns all of them."""
    seen: list[dict[str, Any]] = []
    with place.app.connection_for_read() as own:
        receiver: Any = EventReceiver(own, handlers={"*": seen.append}, app=place.app)
        with receiver.consumer_context(wakeup=False) as (connection, *_):

            def take() -> list[dict[str, Any]]:
                with suppress(TimeoutError):
                    while True:
                        connection.drain_events(timeout=0.05)
                return seen

            take()
            yield take


@pytest.mark.parametrize(
    ("task", "options", "events"),
    [
        ("good", {}, ["received", "sent", "started", "succeeded"]),
        ("bad", {}, ["failed", "received", "sent", "started"]),
        ("again", {}, ["received", "received", "retried", "sent", "started", "started", "succeeded"]),
        ("good", {"expires": -5}, ["revoked", "sent"]),
    ],
    ids=["success", "failure", "retry", "expired"],
)
def test_each_task_has_one_event_of_each_kind_and_one_of_its_end(
    place: Place, task: str, options: dict[str, Any], events: list[str]
) -> None:
    with _listening(place) as take:
        sent = place.send(task, queue=_QUEUE, **options)
        wait_until(lambda: len(_kinds(take(), sent)) >= len(events), what="the events")
        wait_until(lambda: place.left(_QUEUE) == 0, what="the settlement")
        # What comes after this one's events comes after all of the first one's.
        last = place.send("good", queue=_QUEUE)
        wait_until(lambda: "succeeded" in _kinds(take(), last), what="the last event")

        assert _kinds(take(), sent) == events


def _kinds(events: list[dict[str, Any]], task_id: str) -> list[str]:
    return sorted(event["type"].removeprefix("task-") for event in events if event.get("uuid") == task_id)


# -- asking


def test_inspect_names_what_runs_what_is_reserved_and_what_waits_for_its_time(
    place: Place, worker: Worker
) -> None:
    running = [place.send("slow", 2, queue=_QUEUE) for _ in range(2)]
    wait_until(lambda: all(map(place.starts, running)), what="the starts")
    reserved = place.send("slow", 0, queue=_QUEUE)
    later = place.send("good", queue=_QUEUE, countdown=3)
    wait_until(lambda: place.server.hlen(keys.claims()) == 3, what="the claims")
    inspect: Any = place.app.control.inspect(destination=[worker.node], timeout=5, limit=1)

    active = inspect.active()[worker.node]
    assert sorted(each["id"] for each in active) == sorted(running)
    assert {(each["name"], tuple(each["args"])) for each in active} == {("control.slow", (2,))}
    assert [each["id"] for each in inspect.reserved()[worker.node]] == [reserved]
    assert [each["request"]["id"] for each in inspect.scheduled()[worker.node]] == [later]
    found = inspect.query_task(running[0], reserved)[worker.node]
    assert {task_id: state for task_id, (state, _) in found.items()} == {
        running[0]: "active",
        reserved: "reserved",
    }
    assert [place.result(each) for each in (*running, reserved, later)] == ["slow"] * 3 + ["good"]


def test_inspect_answers_to_ping_registered_and_stats(place: Place, worker: Worker) -> None:
    inspect: Any = place.app.control.inspect(destination=[worker.node], timeout=5, limit=1)

    assert inspect.ping() == {worker.node: {"ok": "pong"}}
    assert "control.good" in inspect.registered()[worker.node]
    stats = inspect.stats()[worker.node]
    assert (stats["pid"], len(stats["pool"]["processes"])) == (worker.process.pid, 2)
    assert stats["total"]["control.good"] > 0


# -- revoking


def test_a_running_task_that_is_revoked_with_terminate_ends_at_once_and_for_good(place: Place) -> None:
    with _listening(place) as take:
        sent = place.send("slow", 60, queue=_QUEUE)
        wait_until(lambda: place.starts(sent) == 1, what="the start")

        place.app.control.revoke(sent, terminate=True)

        wait_until(lambda: place.state(sent) == "REVOKED", what="the state")
        wait_until(lambda: place.left(_QUEUE) == 0, what="the settlement")
        wait_until(lambda: "revoked" in _kinds(take(), sent), what="the event")
        assert _kinds(take(), sent) == ["received", "revoked", "sent", "started"]
    assert (place.letters(sent), place.signals(sent), place.starts(sent)) == ([], ["revoked"], 1)


def test_a_worker_remembers_what_was_revoked_long_ago_also_when_another_one_starts(
    place: Place, worker: Worker
) -> None:
    inspect: Any = place.app.control.inspect(destination=[worker.node], timeout=5, limit=1)
    sent = place.send("good", queue=_QUEUE, countdown=600)
    place.app.control.revoke(sent, destination=[worker.node], **_ANSWERED)
    expires_at = time.monotonic() + 1.1
    wait_until(lambda: time.monotonic() > expires_at, what="what Celery would forget")

    # What a worker asks as it starts.
    inspect.hello("another@host")

    assert sent in inspect.revoked()[worker.node]
    place.server.zadd(keys.delayed(), dict.fromkeys(place.server.zrange(keys.delayed(), 0, -1), 1))
    place.server.incr(keys.changes())
    wait_until(lambda: place.state(sent) == "REVOKED", what="its end")
    assert place.starts(sent) == 0


# -- limiting


def test_a_rate_limit_holds_tasks_back_loses_none_and_one_can_be_revoked_meanwhile(place: Place) -> None:
    sent = [place.send("limited", queue=_QUEUE) for _ in range(10)]
    place.app.control.revoke(sent[-1])

    began = sorted(place.result(each) for each in sent[:-1])

    # Four a second: the last but one of ten begins no sooner than two seconds after the first.
    assert began[-1] - began[0] > 1.9
    wait_until(lambda: place.state(sent[-1]) == "REVOKED", what="the revocation")
    assert [place.letters(each) for each in sent] == [[]] * 10
    assert place.signals(sent[-1]) == ["revoked"]


def test_a_rate_limit_can_be_changed_while_tasks_wait_for_it(place: Place, worker: Worker) -> None:
    control, node = place.app.control, [worker.node]
    control.rate_limit("control.limited", "2/s", destination=node, **_ANSWERED)
    sent = [place.send("limited", queue=_QUEUE) for _ in range(5)]
    wait_until(lambda: place.state(sent[0]) == "SUCCESS", what="the first")

    control.rate_limit("control.limited", "1000/s", destination=node, **_ANSWERED)
    sent += [place.send("limited", queue=_QUEUE) for _ in range(40)]

    began = sorted(place.result(each) for each in sent)
    assert began[-1] - began[0] < 15
    control.rate_limit("control.limited", "4/s", destination=node, **_ANSWERED)


def test_a_time_limit_can_be_changed_while_the_worker_runs(place: Place, worker: Worker) -> None:
    control, node = place.app.control, [worker.node]
    control.time_limit("control.pause", hard=1, destination=node, **_ANSWERED)
    sent = place.send("pause", 60, queue=_QUEUE)

    wait_until(lambda: place.letters(sent), what="the letter")

    assert (place.letters(sent), place.signals(sent)) == (["hard_timeout"], ["failure"])
    control.time_limit("control.pause", hard=600, destination=node, **_ANSWERED)


# -- moving


def test_a_queue_is_served_from_when_it_is_added_until_it_is_cancelled(place: Place, worker: Worker) -> None:
    control, node = place.app.control, [worker.node]
    before = place.send("good", queue="extra")
    control.add_consumer("extra", destination=node, **_ANSWERED)
    assert place.result(before) == "good"

    control.cancel_consumer("extra", destination=node, **_ANSWERED)
    after = place.send("good", queue="extra")
    assert place.result(place.send("good", queue=_QUEUE)) == "good"

    assert (place.server.llen("extra"), place.state(after)) == (1, "PENDING")
    place.server.delete("extra")


def test_the_fleet_knows_of_a_queue_that_is_added_until_it_is_cancelled(place: Place, worker: Worker) -> None:
    control, node = place.app.control, [worker.node]

    def served() -> list[tuple[str, ...]]:
        return [each.queues for each in serving.workers(place.server) if each.node == worker.node]

    control.add_consumer("extra", destination=node, **_ANSWERED)
    wait_until(lambda: served() == [(_QUEUE, "extra")], what="the record with it")
    control.cancel_consumer("extra", destination=node, **_ANSWERED)
    wait_until(lambda: served() == [(_QUEUE,)], what="the record without it")


def test_a_pool_that_grows_while_tasks_run_and_shrinks_again_ends_each_once(
    place: Place, worker: Worker
) -> None:
    control, node = place.app.control, [worker.node]

    def processes() -> int:
        inspect: Any = control.inspect(destination=node, timeout=5, limit=1)
        return len(inspect.stats()[worker.node]["pool"]["processes"])

    sent = [place.send("slow", 1, queue=_QUEUE) for _ in range(2)]
    control.pool_grow(2, destination=node, **_ANSWERED)
    wait_until(lambda: processes() == 4, what="two more processes")
    sent += [place.send("slow", 1, queue=_QUEUE) for _ in range(4)]
    wait_until(lambda: place.server.scard(keys.started()) == 4, what="four at work")
    assert [place.result(each) for each in sent] == ["slow"] * 6
    control.pool_shrink(2, destination=node, **_ANSWERED)
    wait_until(lambda: processes() == 2, what="two processes less")

    assert place.result(place.send("slow", 0, queue=_QUEUE)) == "slow"
    assert [place.starts(each) for each in sent] == [1] * 6


# -- stopping


def test_a_worker_that_is_told_to_shut_down_gives_back_the_rest_and_revocations_outlive_it(
    place: Place,
) -> None:
    place.server.set(SECONDS, 2)
    with place.worker("--queues", "ending", *_ALONE) as ending:
        sent = [place.send("slow", queue="ending") for _ in range(6)]
        wait_until(lambda: sum(map(place.starts, sent)) == 2, what="the starts")
        with Celery("stock", broker=place.app.conf.broker_url, set_as_current=False) as stock:
            stock.control.revoke(sent[-1], destination=[ending.node], **_ANSWERED)
        wait_until(lambda: place.server.zcard(keys.revoked()) == 1, what="the revocation's record")
        place.app.control.shutdown(destination=[ending.node])
        ending.process.wait(timeout=30)

    assert (ending.process.returncode, place.left(), place.server.llen("ending")) == (0, 0, 4)
    place.server.set(SECONDS, 0)
    with place.worker("--queues", "ending", *_ALONE) as successor:
        assert [place.result(each) for each in sent[:-1]] == ["slow"] * 5
        wait_until(lambda: place.left("ending") == 0, what="the settlements")
        kill(successor)
    assert (place.state(sent[-1]), place.starts(sent[-1])) == ("REVOKED", 0)
    assert [place.starts(each) for each in sent[:-1]] == [1] * 5
