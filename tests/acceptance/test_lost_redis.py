"""A Redis that is away, cut off or full: no worker dies of it, nothing is lost, nothing runs twice."""

import os
import signal
from collections.abc import Iterator
from functools import partial

import psutil
import pytest

from orchestrator.dev.stack import Addresses
from orchestrator.queues import serving
from tests.acceptance.controlled import SECONDS, Place, own_redis, together
from tests.chaos.transport.servers import Server
from tests.processes import Worker, let_pass, wait_until

_QUEUE = "away"
_LEASE_SECONDS = 2.0


@pytest.fixture(scope="module")
def rig(stack: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Server]]:
    folder = tmp_path_factory.mktemp("redis")
    with own_redis(stack, folder, OMNINODE_LEASE_SECONDS=str(_LEASE_SECONDS)) as made:
        yield made


@pytest.fixture(scope="module")
def place(rig: tuple[Place, Server]) -> Place:
    return rig[0]


@pytest.fixture(scope="module")
def redis_server(rig: tuple[Place, Server]) -> Server:
    return rig[1]


@pytest.fixture(scope="module", autouse=True)
def workers(place: Place) -> Iterator[list[Worker]]:
    """Two: what one of them runs could be delivered to the other."""
    options = ("--queues", _QUEUE, "--without-gossip")
    with together(place.worker(*options), place.worker(*options)) as started:
        yield started


@pytest.fixture(autouse=True)
def _all_is_well_afterwards(place: Place, workers: list[Worker]) -> Iterator[None]:
    yield
    wait_until(lambda: place.left(_QUEUE) == 0, 40.0, "an empty broker")
    assert [worker.process.poll() for worker in workers] == [None, None]


def test_a_task_that_runs_longer_than_its_lease_runs_once(place: Place) -> None:
    sent = place.send("slow", 2.5 * _LEASE_SECONDS, queue=_QUEUE)

    assert place.result(sent) == "slow"

    assert place.starts(sent) == 1


@pytest.mark.parametrize("way", ["frozen", "stopped"])
def test_a_task_that_runs_while_redis_is_away_for_longer_than_a_lease_runs_once(
    place: Place, redis_server: Server, way: str
) -> None:
    sent = place.send("slow", 3 * _LEASE_SECONDS, queue=_QUEUE)
    wait_until(lambda: place.starts(sent) == 1, what="the start")

    redis_server.signal(signal.SIGSTOP if way == "frozen" else signal.SIGTERM)
    let_pass(1.5 * _LEASE_SECONDS)
    if way == "frozen":
        redis_server.signal(signal.SIGCONT)
    else:
        redis_server.start()

    assert place.result(sent) == "slow"
    assert place.starts(sent) == 1


def test_a_task_that_runs_while_its_connections_are_cut_runs_once(place: Place) -> None:
    sent = place.send("slow", _LEASE_SECONDS, queue=_QUEUE)
    wait_until(lambda: place.starts(sent) == 1, what="the start")

    place.server.client_kill_filter(_type="normal", skipme=True)

    assert place.result(sent) == "slow"
    assert place.starts(sent) == 1


def test_workers_whose_connections_are_cut_are_never_said_to_serve_nothing(place: Place) -> None:
    def served() -> list[tuple[str, ...]]:
        return [each.queues for each in serving.workers(place.server)]

    wait_until(lambda: served() == [(_QUEUE,)] * 2, what="both records")
    told: set[tuple[str, ...]] = set()

    def has_ended(sent: str) -> bool:
        told.update(served())
        return place.state(sent) == "SUCCESS"

    for _ in range(3):
        place.server.client_kill_filter(_type="normal", skipme=True)
        wait_until(partial(has_ended, place.send("good", queue=_QUEUE)), what="its end")

    assert told == {(_QUEUE,)}


def test_children_that_die_while_the_connection_is_lost_end_no_worker(
    place: Place, workers: list[Worker]
) -> None:
    sent = [place.send("slow", 0.5, queue=_QUEUE) for _ in range(8)]
    for number in range(5):
        wait_until(lambda: all(len(_children(worker)) == 2 for worker in workers), what="new children")
        wait_until(lambda: sum(map(place.starts, sent)) > number, what="a start")  # noqa: B023
        # Frozen meanwhile, the main processes find everything at once, the lost connection foremost.
        for worker in workers:
            os.kill(worker.process.pid, signal.SIGSTOP)
        place.server.client_kill_filter(_type="normal", skipme=True)
        for child in [child for worker in workers for child in _children(worker)]:
            child.kill()
        for worker in workers:
            os.kill(worker.process.pid, signal.SIGCONT)

    assert [place.result(each) for each in sent] == ["slow"] * 8
    assert [place.letters(each) for each in sent] == [[]] * 8
    assert sum(map(place.starts, sent)) > 8
    _all_processes_work(place)


def test_children_whose_end_is_noticed_only_after_the_connection_was_lost_end_no_worker(
    place: Place, workers: list[Worker]
) -> None:
    place.server.set(SECONDS, 60)
    sent = [place.send("slow", queue=_QUEUE) for _ in range(4)]
    wait_until(lambda: sum(map(place.starts, sent)) == 4, what="the starts")

    place.app.control.broadcast("lose_children", reply=True, timeout=10, limit=2)
    place.server.set(SECONDS, 0)
    place.server.client_kill_filter(_type="normal", skipme=True)

    assert [place.result(each) for each in sent] == ["slow"] * 4
    assert [place.starts(each) for each in sent] == [2] * 4


def test_a_redis_that_is_full_three_times_loses_nothing(place: Place) -> None:
    sent = []
    for _ in range(3):
        sent += [place.send("pause", 0.05, queue=_QUEUE) for _ in range(60)]
        place.server.config_set("maxmemory", "1mb")
        let_pass(2.0)
        place.server.config_set("maxmemory", "0")

    assert [place.result(each) for each in sent] == [None] * 180
    assert [place.letters(each) for each in sent] == [[]] * 180


def _all_processes_work(place: Place) -> None:
    place.server.set(SECONDS, 60)
    sent = [place.send("slow", queue=_QUEUE) for _ in range(4)]
    wait_until(lambda: sum(map(place.starts, sent)) == 4, what="four at work")
    place.app.control.revoke(sent, terminate=True)


def _children(worker: Worker) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(worker.process.pid).children()
        if child.status() != psutil.STATUS_ZOMBIE
    ]
