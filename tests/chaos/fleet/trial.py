"""The trial: tasks are enqueued, the endpoint goes away and returns, and all is counted."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from celery import Celery

from orchestrator import keys
from orchestrator.breaker.store import Store
from tests.chaos.fleet.endpoint import Asked, Endpoint, endpoint
from tests.own_redis import OwnRedis, own_redis
from tests.processes import Worker, let_pass, start_worker, wait_until

PROCESSES = 4
POLICY = {
    "failure_threshold": 5,
    "open_seconds": 1.0,
    "open_cap_seconds": 1.5,
    "probe_lease_seconds": 2.0,
    "ramp_seconds": 2.0,
    "ramp_per_second": 200.0,
}
_BREAKER = "endpoint"


@dataclass(frozen=True)
class Outcome:
    """What the endpoint and Redis say of a trial."""

    tasks: int
    served: set[int]
    served_twice: int
    reached_while_away: int
    probes: int
    retries: int
    letters: int
    most_a_second: int
    left: int

    @property
    def bound(self) -> int:
        """How many requests may have reached the endpoint while it was away."""
        return int(POLICY["failure_threshold"]) + 2 * PROCESSES + self.probes


@dataclass(frozen=True)
class Fleet:
    """What a fault may break."""

    redis: OwnRedis
    workers: list[Worker]
    endpoint: Endpoint


Fault = Callable[[Fleet], None]


def run(database_url: str, tasks: int, away_seconds: float, fault: Fault | None = None) -> Outcome:
    """Two workers of four processes; the endpoint goes away when a sixth is done, then comes the fault."""
    with _fleet(database_url, tasks) as fleet:
        wait_until(lambda: len(fleet.endpoint.served) >= tasks // 6, 60, "the first tasks")
        fleet.endpoint.turn_off()
        began = time.monotonic()
        wait_until(lambda: _history(fleet), 20, "the trip")
        if fault:
            fault(fleet)
        let_pass(max(0.1, away_seconds - (time.monotonic() - began)))
        fleet.endpoint.turn_on()
        wait_until(lambda: len(_numbers(fleet.endpoint)) == tasks, 120, "the end of all tasks")
        wait_until(lambda: _left(fleet) == 0, 30, "an empty broker")
        return _told(fleet, tasks)


def kill_redis(fleet: Fleet) -> None:
    """Redis is killed in the middle of the outage, and is away for a second."""
    fleet.redis.kill()
    let_pass(1.0)
    fleet.redis.start_again()


def kill_the_prober(fleet: Fleet) -> None:
    """The worker whose process probes is killed, with all its processes, while the probe is under way."""
    killed: list[int] = []

    def kill(asked: Asked) -> None:
        if not killed:
            killed.append(asked.worker)
            os.killpg(asked.worker, signal.SIGKILL)

    fleet.endpoint.while_away = kill
    wait_until(lambda: killed, 20, "a probe")


@contextmanager
def _fleet(database_url: str, tasks: int) -> Iterator[Fleet]:
    with ExitStack() as stack:
        server = stack.enter_context(own_redis())
        served = stack.enter_context(endpoint())
        environment = {
            "REDIS_URL": f"redis://127.0.0.1:{server.port}/0",
            "DATABASE_URL": database_url,
            "FLEET_ENDPOINT": served.url,
            "OMNINODE_BREAKERS": json.dumps({_BREAKER: POLICY}),
            "OMNINODE_LEASE_SECONDS": "3",
        }
        _enqueue(environment["REDIS_URL"], tasks)
        # Until both are there.
        server.client.sadd(keys.paused(), "celery")
        workers = [
            stack.enter_context(
                start_worker(
                    "-Q",
                    "celery",
                    app="tests.chaos.fleet.tasks",
                    environment=environment,
                    concurrency=PROCESSES,
                )
            )
            for _ in range(2)
        ]
        server.client.srem(keys.paused(), "celery")
        server.client.incr(keys.changes())
        yield Fleet(server, workers, served)


def _enqueue(url: str, tasks: int) -> None:
    with Celery("producer", broker=url, set_as_current=False) as app:
        for number in range(tasks):
            app.send_task("fleet.ask", args=[number], ignore_result=True)


def _told(fleet: Fleet, tasks: int) -> Outcome:
    served = fleet.endpoint.served
    numbers = _numbers(fleet.endpoint)
    return Outcome(
        tasks=tasks,
        served=numbers,
        served_twice=len(served) - len(numbers),
        reached_while_away=len(fleet.endpoint.refused),
        probes=sum(each.after == "half_open" for each in _history(fleet)),
        retries=sum(asked.retries for asked in served),
        letters=int(fleet.redis.client.xlen(keys.outbox())),
        most_a_second=_most_a_second([asked.at for asked in served if asked.at > fleet.endpoint.on_at]),
        left=_left(fleet),
    )


def _numbers(served: Endpoint) -> set[int]:
    return {asked.number for asked in served.served}


def _history(fleet: Fleet) -> list[Any]:
    return Store(fleet.redis.client).history(_BREAKER, 1000)


def _left(fleet: Fleet) -> int:
    with fleet.redis.client.pipeline() as ask:
        ask.llen("celery")
        ask.zcard(keys.delayed())
        ask.hlen(keys.claims())
        ask.hlen(keys.aside_messages())
        return sum(ask.execute())


def _most_a_second(times: list[float]) -> int:
    times.sort()
    most, first = 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most
