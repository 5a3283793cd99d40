"""What tasks cost that wait for an open circuit: ten of them, and a hundred thousand.

A worker with two processes on a Redis of its own. Measured are, while the circuit is open and all tasks are
set aside, the processor's time that Redis and the worker take a second, and Redis's commands a second, with
few and with many waiting. Then how fast tasks are set aside, and how fast those that waited are done once the
circuit has closed, beside the same number of tasks that name no dependency.
"""

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import click
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

from bench.load import bed, celery_worker
from bench.load.bed import Bed, Spoilt
from bench.load.celery_worker import POOLS, QUEUE, Contender
from bench.load.found import tell
from orchestrator import keys
from orchestrator.breaker.store import Store

# As the app names them, which can only be imported beside a Redis.
_WAITS, _GOES, _DEPENDENCY = "bench.waits", "bench.goes", "bench-dependency"
_OMNINODE = Contender("OmniNode", "bench.load.waiters")
_FEW = 10
_LOOKS, _LOOK_SECONDS = 5, 2.0
_POLL_SECONDS = 0.01
_STALL_SECONDS = 120.0
# Many may cost no more than few; both are next to nothing, and a busy machine makes them differ.
_BAR_MS = 5.0


@dataclass(frozen=True)
class Idle:
    """What a second of waiting costs: processor's milliseconds, and commands that reach Redis."""

    redis_ms: float
    worker_ms: float
    commands: float


@click.command(help=__doc__)
@click.option("--tasks", default=100_000, show_default=True, type=click.IntRange(min=100))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, tasks: int, as_json: bool) -> None:
    """Measure, print, and exit with 1 when many cost more than few."""
    try:
        found = measure(tasks)
    except KeyboardInterrupt:
        sys.exit(130)
    tell(found, as_json=as_json)
    sys.exit(not found["met"])


def measure(tasks: int) -> dict[str, float]:
    """All figures, by what they are."""
    with bed.made(1) as where:
        waiting, going = (celery_worker.render(_OMNINODE, task, tasks) for task in (_WAITS, _GOES))
        celery_worker.start(where, _OMNINODE, POOLS["prefork"])
        _drain(where, waiting[:_FEW])
        peer = _drain(where, going)
        Store(where.client).control(_DEPENDENCY, "open", who="bench", why="an outage", seconds=3600)
        _set_aside(where, waiting[:_FEW])
        few = _idle(where)
        aside = _set_aside(where, waiting[_FEW:])
        many = _idle(where)
        Store(where.client).control(_DEPENDENCY, "close", who="bench", why="it is back", seconds=None)
        began = monotonic()
        _wait_until_done(where)
        back = tasks / (monotonic() - began)
    more = many.redis_ms + many.worker_ms - few.redis_ms - few.worker_ms
    return {
        "few: processor ms a second, Redis": few.redis_ms,
        "few: processor ms a second, worker": few.worker_ms,
        "few: commands a second": few.commands,
        "many: processor ms a second, Redis": many.redis_ms,
        "many: processor ms a second, worker": many.worker_ms,
        "many: commands a second": many.commands,
        "set aside, tasks a second": aside,
        "done after closing, tasks a second": back,
        "without a dependency, tasks a second": peer,
        "ratio": back / peer,
        "met": more <= _BAR_MS,
    }


def _idle(where: Bed) -> Idle:
    looks = []
    for _ in range(_LOOKS):
        redis_before, worker_before, began = _redis(where), _worker_seconds(where), monotonic()
        bed.pause(_LOOK_SECONDS)
        redis_after, worker_after, took = _redis(where), _worker_seconds(where), monotonic() - began
        looks.append(
            Idle(
                (redis_after[0] - redis_before[0]) / took * 1000,
                (worker_after - worker_before) / took * 1000,
                (redis_after[1] - redis_before[1]) / took,
            )
        )
    return Idle(
        statistics.median(look.redis_ms for look in looks),
        statistics.median(look.worker_ms for look in looks),
        statistics.median(look.commands for look in looks),
    )


def _drain(where: Bed, messages: list[str]) -> float:
    began = monotonic()
    where.client.lpush(QUEUE, *messages)
    _wait_until_done(where)
    return len(messages) / (monotonic() - began)


def _set_aside(where: Bed, messages: list[str]) -> float:
    before = where.client.hlen(keys.aside_messages())
    began = monotonic()
    where.client.lpush(QUEUE, *messages)
    _wait(where, lambda: where.client.hlen(keys.aside_messages()) == before + len(messages))
    return len(messages) / (monotonic() - began)


def _wait_until_done(where: Bed) -> None:
    def is_done() -> bool:
        with where.client.pipeline() as ask:
            ask.llen(QUEUE)
            ask.hlen(keys.claims())
            ask.hlen(keys.aside_messages())
            return not any(ask.execute())

    _wait(where, is_done)


def _wait(where: Bed, condition: Callable[[], bool]) -> None:
    began = monotonic()
    while not condition():
        if monotonic() - began > _STALL_SECONDS:
            raise Spoilt("the worker did not finish")
        where.children.check()
        bed.pause(_POLL_SECONDS)


def _redis(where: Bed) -> tuple[float, int]:
    told = where.client.info()
    return told["used_cpu_user"] + told["used_cpu_sys"], told["total_reads_processed"]


def _worker_seconds(where: Bed) -> float:
    worker = psutil.Process(where.children.living["worker-0"].pid)
    times = [each.cpu_times() for each in (worker, *worker.children(recursive=True))]
    return sum(each.user + each.system for each in times)


if __name__ == "__main__":
    main()
