"""Every pool, and every setting that says how many processes there are and how much they hold."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from orchestrator import keys
from orchestrator.dev.stack import Addresses
from orchestrator.queues import serving
from tests.acceptance.controlled import RUNS, Place, kill, shared_redis, together
from tests.processes import Worker, wait_until

_POOLS = ("prefork", "threads", "solo")
_ALONE = ("--without-gossip",)
_LEASE_SECONDS = 2.0


@pytest.fixture(scope="module")
def place(stack: Addresses) -> Iterator[Place]:
    with shared_redis(stack, OMNINODE_LEASE_SECONDS=str(_LEASE_SECONDS)) as made:
        yield made


@dataclass(frozen=True)
class _Workers:
    pools: list[Worker]
    other: Worker
    pairs: dict[str, list[Worker]]


@pytest.fixture(scope="module", autouse=True)
def workers(place: Place) -> Iterator[_Workers]:
    """All at once: one of each pool, on the queue of its name, and those with settings of their own."""
    one = ("--prefetch-multiplier", "1")
    off = {"CONTROL_DISABLE_PREFETCH": "1"}
    with together(
        *(place.worker("--queues", pool, "--pool", pool, *_ALONE) for pool in _POOLS),
        place.worker("--queues", "autoscaled", "--autoscale", "3,1", *_ALONE),
        place.worker("--queues", "recycled", "--max-tasks-per-child", "1", *_ALONE),
        place.worker("--queues", "other", *_ALONE, concurrency=1),
        *(place.worker("--queues", "one", *one, *_ALONE, concurrency=1) for _ in range(2)),
        *(place.worker("--queues", "off", *_ALONE, concurrency=1, environment=off) for _ in range(2)),
    ) as started:
        yield _Workers(started[:5], started[5], {"one": started[6:8], "off": started[8:]})
        assert [worker.process.poll() for worker in started] == [None] * 10
        for worker in started:
            kill(worker)


@pytest.fixture(autouse=True)
def _all_is_settled_afterwards(place: Place) -> Iterator[None]:
    yield
    wait_until(lambda: place.left(*_POOLS) == 0, what="an empty broker")


each_pool = pytest.mark.parametrize("pool", _POOLS)


def test_the_fleet_knows_what_each_pool_serves(place: Place, workers: _Workers) -> None:
    nodes = {worker.node for worker in workers.pools[:3]}

    wait_until(lambda: nodes <= {each.node for each in serving.workers(place.server)}, what="their records")

    told = [each for each in serving.workers(place.server) if each.node in nodes]
    assert {each.pool: (each.queues, each.concurrency) for each in told} == {
        "prefork": (("prefork",), 2),
        "threads": (("threads",), 2),
        "solo": (("solo",), 1),
    }
    assert {each.pid for each in told} == {worker.process.pid for worker in workers.pools[:3]}


@each_pool
def test_a_task_succeeds(place: Place, pool: str) -> None:
    assert place.result(place.send("good", queue=pool)) == "good"


@each_pool
def test_a_task_that_raises_is_one_letter_and_one_signal(place: Place, pool: str) -> None:
    sent = place.send("bad", queue=pool)

    wait_until(lambda: place.letters(sent), what="the letter")

    assert (place.letters(sent), place.signals(sent)) == (["exception"], ["failure"])
    assert place.state(sent) == "FAILURE"


@each_pool
def test_a_retry_is_put_back_and_counted(place: Place, pool: str) -> None:
    sent = place.send("again", queue=pool)

    assert (place.result(sent), place.signals(sent), place.letters(sent)) == (1, ["retry"], [])


@each_pool
def test_a_task_with_an_eta_waits_in_redis(place: Place, pool: str) -> None:
    sent = place.send("good", queue=pool, countdown=1)

    assert place.server.hlen(keys.delayed_messages()) == 1
    assert place.result(sent) == "good"


@each_pool
def test_sixty_tasks_at_once_each_end_once(place: Place, pool: str) -> None:
    good = [place.send("good", queue=pool) for _ in range(20)]
    bad = [place.send("bad", queue=pool) for _ in range(20)]
    again = [place.send("again", queue=pool) for _ in range(20)]

    assert [place.result(each) for each in good + again] == ["good"] * 20 + [1] * 20
    wait_until(lambda: all(map(place.letters, bad)), what="the letters")
    assert [place.letters(each) for each in bad] == [["exception"]] * 20


def test_a_soft_limit_is_told_to_a_task_in_a_child(place: Place) -> None:
    assert place.result(place.send("soft", queue="prefork")) == "told in time"


def test_a_solo_worker_that_is_busy_for_longer_than_a_lease_keeps_its_claims_and_settles(
    place: Place, workers: _Workers
) -> None:
    control, solo = place.app.control, [workers.pools[2].node]
    control.cancel_consumer("solo", destination=solo, reply=True, timeout=10, limit=1)
    first, second = (place.send("slow", 1.5 * _LEASE_SECONDS, queue="solo") for _ in range(2))
    control.add_consumer("solo", destination=solo, reply=True, timeout=10, limit=1)
    wait_until(lambda: place.starts(first) == 1, what="the first start")
    control.add_consumer("solo", destination=[workers.other.node], reply=True, timeout=10, limit=1)

    wait_until(lambda: place.starts(second) == 1, what="the second start")
    wait_until(lambda: place.server.hlen(keys.claims()) == 1, what="the first settlement")
    assert place.state(second) == "PENDING"
    assert [place.result(first), place.result(second)] == ["slow", "slow"]
    assert (place.starts(first), place.starts(second)) == (1, 1)


def test_an_autoscaled_worker_grows_for_what_waits_and_ends_all_of_it(place: Place) -> None:
    sent = [place.send("slow", 1, queue="autoscaled") for _ in range(6)]

    wait_until(lambda: place.server.scard(keys.started()) == 3, what="three processes at work")
    assert [place.result(each) for each in sent] == ["slow"] * 6
    assert [place.starts(each) for each in sent] == [1] * 6


def test_a_child_that_is_replaced_after_each_task_runs_each_once(place: Place) -> None:
    sent = [place.send("pid", queue="recycled") for _ in range(3)]

    assert len({place.result(each) for each in sent}) == 3
    assert [place.signals(each) for each in sent] == [[]] * 3


@pytest.mark.parametrize("setting", ["one", "off"])
def test_two_workers_that_lay_nothing_by_share_long_tasks_evenly(
    place: Place, workers: _Workers, setting: str
) -> None:
    """With a prefetch multiplier of one, and with the prefetch switched off."""
    place.server.delete(RUNS)
    sent = [place.send("slow", 1.5, queue=setting) for _ in range(4)]

    assert [place.result(each) for each in sent] == ["slow"] * 4

    first, second = (worker.node for worker in workers.pairs[setting])
    assert sorted(place.server.lrange(RUNS, 0, -1)) == sorted([first, first, second, second])
