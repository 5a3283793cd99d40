"""Workers that are killed, frozen or wedged: nothing is lost, and nobody gets it before its lease ends."""

import os
import signal
from collections.abc import Iterator

import pytest

from orchestrator import keys
from orchestrator.dev.stack import Addresses
from tests.acceptance.controlled import RUNS, SECONDS, Place, kill, shared_redis, together
from tests.processes import wait_until

_QUEUE = "lost"
_ALONE = ("--without-gossip",)


@pytest.fixture(scope="module")
def place(stack: Addresses) -> Iterator[Place]:
    with shared_redis(stack, OMNINODE_LEASE_SECONDS="2") as made:
        yield made


def test_what_a_killed_worker_held_runs_elsewhere_when_its_lease_has_ended(place: Place) -> None:
    with together(place.worker("--queues", _QUEUE, *_ALONE), place.worker("--queues", "other", *_ALONE)) as (
        first,
        other,
    ):
        sent = [place.send("slow", 1, queue=_QUEUE) for _ in range(4)]
        wait_until(lambda: place.server.hlen(keys.claims()) == 4, what="the claims")
        kill(first)
        lease_ends = min(score for _, score in place.server.zrange(keys.leases(), 0, -1, withscores=True))
        place.app.control.add_consumer(_QUEUE, destination=[other.node])

        wait_until(lambda: sum(map(place.starts, sent)) > 2, what="another start")
        assert _redis_milliseconds(place) >= lease_ends

        assert [place.result(each) for each in sent] == ["slow"] * 4
        wait_until(lambda: place.left(_QUEUE) == 0, what="the settlements")
        kill(other)


def test_workers_frozen_around_the_arrival_of_a_message_and_then_killed_lose_none(
    place: Place,
) -> None:
    queues = [f"frozen-{number}" for number in range(8)]
    options = ("--pool", "solo", *_ALONE, "--without-heartbeat")
    place.server.set(SECONDS, 60)
    sent = []
    with together(*(place.worker("--queues", queue, *options) for queue in queues)) as workers:
        for number, (worker, queue) in enumerate(zip(workers, queues, strict=True)):
            if number % 4 == 0:
                os.kill(worker.process.pid, signal.SIGSTOP)
            sent.append(place.send("slow", queue=queue))
            if number % 4 == 1:
                wait_until(lambda: place.starts(sent[-1]) == 1, what="the start")
            # The others are stopped wherever their message is by now.
            os.kill(worker.process.pid, signal.SIGSTOP)
        for worker in workers:
            kill(worker)

    place.server.set(SECONDS, 0)
    with place.worker("--queues", ",".join(queues), *_ALONE) as successor:
        assert [place.result(each) for each in sent] == ["slow"] * 8
        wait_until(lambda: place.left(*queues) == 0, what="the settlements")
        kill(successor)


def test_a_worker_whose_main_process_is_wedged_loses_its_claims_to_another(place: Place) -> None:
    short_lease = {"OMNINODE_LEASE_SECONDS": "0.5"}
    place.server.set(SECONDS, 60)
    with together(
        place.worker("--queues", "wedged", *_ALONE, environment=short_lease),
        place.worker("--queues", "other", *_ALONE, environment=short_lease),
    ) as (wedged, other):
        sent = place.send("slow", queue="wedged")
        wait_until(lambda: place.starts(sent) == 1, what="the start")
        place.server.set(SECONDS, 0)
        place.app.control.add_consumer("wedged", destination=[other.node])
        place.app.control.broadcast("wedge", arguments={"seconds": 60}, destination=[wedged.node])

        assert place.result(sent) == "slow"

        assert place.server.lrange(RUNS, -1, -1) == [other.node]
        assert "worker_wedged" in wedged.log()
        kill(wedged)
        kill(other)


def _redis_milliseconds(place: Place) -> float:
    seconds, microseconds = place.server.time()
    return float(seconds * 1000 + microseconds / 1000)
