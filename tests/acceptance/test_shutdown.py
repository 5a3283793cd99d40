"""Every way to stop a worker: nothing is lost, nothing false is reported, and it does not take long."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from signal import SIGINT, SIGQUIT, SIGTERM, Signals
from typing import Any

import pytest

from orchestrator import keys
from orchestrator.dev.stack import Addresses
from orchestrator.enqueue import enqueue_many
from tests.acceptance.controlled import COUNT, SECONDS, Place, kill, shared_redis, together
from tests.processes import Worker, wait_until

# Five seconds are promised. On a busy machine it may be twice that; billiard's own wait would be thirty.
_LIMIT_SECONDS = 10.0
# No second of waiting for other workers to introduce themselves.
_QUICKLY = ("--without-gossip",)


@dataclass(frozen=True)
class _Way:
    name: str
    signal: Signals
    # Whether running tasks may end.
    is_patient: bool
    environment: dict[str, str]


_WAYS = (
    _Way("term", SIGTERM, True, {}),
    _Way("int", SIGINT, True, {}),
    _Way("quit", SIGQUIT, False, {}),
    _Way("remapped", SIGTERM, False, {"REMAP_SIGTERM": "SIGQUIT"}),
    _Way("soft", SIGQUIT, True, {"CONTROL_SOFT_SHUTDOWN_SECONDS": "5"}),
    _Way("soft-too-short", SIGQUIT, False, {"CONTROL_SOFT_SHUTDOWN_SECONDS": "1"}),
)


@dataclass(frozen=True)
class _Stopped:
    """What was sent to a worker before it was stopped, and what was found right after its end."""

    sent: list[str]
    states: list[str]
    in_flight: int
    waiting: int


@pytest.fixture(scope="module")
def place(stack: Addresses) -> Iterator[Place]:
    with shared_redis(stack, OMNINODE_LEASE_SECONDS="5") as made:
        yield made


@pytest.fixture(scope="module")
def stopped(place: Place) -> dict[str, _Stopped]:
    """All at once: each worker has two running tasks and six that wait in it, and one waits in Redis."""
    place.server.set(SECONDS, 2.5)
    with (
        together(
            *(place.worker("--queues", way.name, *_QUICKLY, environment=way.environment) for way in _WAYS)
        ) as workers,
        ThreadPoolExecutor(len(_WAYS)) as threads,
    ):
        sent = {way.name: [place.send("slow", queue=way.name) for _ in range(9)] for way in _WAYS}
        wait_until(lambda: place.left(*sent) == 9 * len(_WAYS) and _started(place, sent), what="the starts")
        ends = [
            threads.submit(_stop, place, way, worker, sent[way.name])
            for way, worker in zip(_WAYS, workers, strict=True)
        ]
        found = {way.name: end.result() for way, end in zip(_WAYS, ends, strict=True)}
    place.server.set(SECONDS, 0)
    with place.worker("--queues", ",".join(sent), *_QUICKLY) as successor:
        for each in found.values():
            assert [place.result(task_id) for task_id in each.sent] == ["slow"] * 9
        wait_until(lambda: place.left(*sent) == 0, what="the settlements")
        kill(successor)
    return found


def _started(place: Place, sent: dict[str, list[str]]) -> bool:
    return all(sum(map(place.starts, task_ids)) == 2 for task_ids in sent.values())


def _stop(place: Place, way: _Way, worker: Worker, sent: list[str]) -> _Stopped:
    worker.process.send_signal(way.signal)
    worker.process.wait(timeout=60)
    claims = place.server.hvals(keys.claims())
    return _Stopped(
        sent,
        [place.state(each) for each in sent],
        sum(claim.startswith(f"{way.name}\n") for claim in claims),
        place.server.llen(way.name),
    )


each_way = pytest.mark.parametrize("way", _WAYS, ids=lambda way: way.name)


@each_way
def test_a_worker_that_is_stopped_gives_back_what_it_has_not_finished(
    stopped: dict[str, _Stopped], way: _Way
) -> None:
    done = 2 if way.is_patient else 0

    found = stopped[way.name]

    assert (found.in_flight, found.waiting) == (0, 9 - done)
    assert sorted(found.states) == ["PENDING"] * (9 - done) + ["SUCCESS"] * done


@each_way
def test_what_a_stopped_worker_has_given_back_runs_once_more_at_most_and_no_failure_was_told(
    place: Place, stopped: dict[str, _Stopped], way: _Way
) -> None:
    sent = stopped[way.name].sent

    assert sorted(map(place.starts, sent)) == [1] * (9 if way.is_patient else 7) + [2] * (
        0 if way.is_patient else 2
    )
    assert [place.signals(each) for each in sent] == [[]] * 9
    assert [place.letters(each) for each in sent] == [[]] * 9
    assert place.server.hlen(keys.deliveries()) == 0


def _is_active(place: Place, worker: Worker, task_id: str) -> bool:
    """Whether its main process has heard of the start too: Celery waits softly for nothing else."""
    inspect: Any = place.app.control.inspect(destination=[worker.node], timeout=5, limit=1)
    return [each["id"] for each in (inspect.active() or {}).get(worker.node, [])] == [task_id]


def test_a_soft_shutdown_that_is_longer_than_ten_leases_runs_nothing_twice(place: Place) -> None:
    """So long is a main process silent that counts as wedged; one that waits for its pool is not."""
    softly = {"OMNINODE_LEASE_SECONDS": "0.5", "CONTROL_SOFT_SHUTDOWN_SECONDS": "8"}
    with together(
        place.worker("--queues", "patient", *_QUICKLY, environment=softly),
        place.worker("--queues", "other", *_QUICKLY, environment=softly),
    ) as (patient, other):
        sent = place.send("slow", 7, queue="patient")
        wait_until(lambda: _is_active(place, patient, sent), what="the start")
        patient.process.send_signal(SIGQUIT)
        place.app.control.add_consumer("patient", destination=[other.node])
        patient.process.wait(timeout=30)
        kill(other)

    assert (place.state(sent), place.starts(sent)) == ("SUCCESS", 1)
    assert place.left("patient") == 0


def test_idle_workers_of_every_pool_stop_soon(place: Place) -> None:
    pools = ("prefork", "threads", "solo")
    with together(*(place.worker("--queues", pool, *_QUICKLY, "--pool", pool) for pool in pools)) as workers:
        assert [place.result(place.send("good", queue=pool)) for pool in pools] == ["good"] * 3

        assert _stop_all(workers) < _LIMIT_SECONDS

    assert [worker.process.returncode for worker in workers] == [0, 0, 0]


def test_workers_under_a_stream_of_short_tasks_stop_soon_and_lose_none(place: Place) -> None:
    def short() -> None:
        """Stand in for the task of this name."""

    task = place.app.task(name="control.short", ignore_result=True)(short)
    with together(*(place.worker("--queues", "stream", *_QUICKLY) for _ in range(2))) as workers:
        enqueue_many(task, [()] * 10_000, queue="stream")
        wait_until(lambda: int(place.server.get(COUNT) or 0) > 500, what="the stream")

        assert _stop_all(workers) < _LIMIT_SECONDS

    left = place.server.llen("stream")
    place.server.delete("stream")
    assert left > 0, "the stream had ended before the workers were stopped"
    assert (int(place.server.get(COUNT)) + left, place.left()) == (10_000, 0)


def _stop_all(workers: list[Worker]) -> float:
    began = time.monotonic()
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.wait(timeout=60)
    return time.monotonic() - began
