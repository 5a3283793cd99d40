"""What dying costs a task: the same number of tasks succeed and fail for good, in turns, on one worker.

The worker has two processes, a Redis of its own (append-only file, `everysec`), and stores results. A queue
is filled before it is drained; the time runs from the moment when the queue is released until the last task
is settled: its result is stored, its claim is gone, and what has died is a letter in the outbox. Measured are
milliseconds a task and those of the processor's time; the medians of the rounds are held against the bar.
"""

import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import click
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

from bench.load import bed, celery_worker
from bench.load.bed import Bed, Spoilt
from bench.load.celery_worker import POOLS, QUEUE, Contender
from orchestrator import keys

# How much more a task that dies may cost.
BAR_MS = 1.0
# As the app names them, which can only be imported beside a Redis.
_TASKS = ("bench.succeeds", "bench.dies")
_OMNINODE = Contender("OmniNode", "bench.load.mortals")
_LOOK_SECONDS = 0.005
_STALL_SECONDS = 60.0


@dataclass(frozen=True)
class Cost:
    """Milliseconds a task: on the clock, and of the processor's time of the worker and its processes."""

    clock_ms: float
    processor_ms: float

    def __sub__(self, other: "Cost") -> "Cost":
        """How much more this is."""
        return Cost(self.clock_ms - other.clock_ms, self.processor_ms - other.processor_ms)


@click.command(help=__doc__)
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(min=1))
@click.option("--tasks", default=2000, show_default=True, type=click.IntRange(min=10), help="Of each kind.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, rounds: int, tasks: int, as_json: bool) -> None:
    """Measure, print, and exit with 1 when the bar is missed."""
    try:
        succeeding, dying = measure(rounds, tasks)
    except KeyboardInterrupt:
        sys.exit(130)
    more = dying - succeeding
    is_met = more.clock_ms <= BAR_MS
    if as_json:
        shown = {"succeeding": vars(succeeding), "dying": vars(dying), "more": vars(more)}
        click.echo(json.dumps({"tasks": tasks, "rounds": rounds, **shown, "bar_ms": BAR_MS, "met": is_met}))
    else:
        click.echo(f"{tasks:,} tasks of each kind, median of {rounds}, ms a task: clock (processor)")
        for name, cost in (("succeeding", succeeding), ("dying", dying), ("dying costs more", more)):
            click.echo(f"  {name:17} {cost.clock_ms:6.3f} ({cost.processor_ms:.3f})")
        click.echo(f"  bar: at most {BAR_MS:g} ms more: {'met' if is_met else 'missed'}")
    sys.exit(not is_met)


def measure(rounds: int, tasks: int) -> tuple[Cost, Cost]:
    """What a task costs that succeeds, and one that dies."""
    with bed.made(1) as where:
        messages = {task: celery_worker.render(_OMNINODE, task, tasks) for task in _TASKS}
        celery_worker.start(where, _OMNINODE, POOLS["prefork"])
        for task in _TASKS:
            _drain(where, messages[task])  # the first one imports, and fills caches
        costs: dict[str, list[Cost]] = {task: [] for task in _TASKS}
        for number in range(rounds):
            for task in _TASKS if number % 2 else reversed(_TASKS):
                costs[task].append(_drain(where, messages[task]))
            if where.client.xlen(keys.outbox()) != tasks * (number + 2):
                raise Spoilt("some have died that should have succeeded, or the other way round")
        succeeding, dying = (_median(costs[task]) for task in _TASKS)
        return succeeding, dying


def _drain(where: Bed, messages: list[str]) -> Cost:
    with where.client.pipeline() as steps:
        steps.lpush("bench:held-back", *messages)
        steps.rename("bench:held-back", QUEUE)
        before, began = _processor_seconds(where), monotonic()
        steps.execute()
    while where.client.llen(QUEUE) or where.client.hlen(keys.claims()):
        if monotonic() - began > _STALL_SECONDS:
            raise Spoilt("the worker did not settle everything")
        where.children.check()
        bed.pause(_LOOK_SECONDS)
    took, worked = monotonic() - began, _processor_seconds(where) - before
    return Cost(took / len(messages) * 1000, worked / len(messages) * 1000)


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.clock_ms for cost in costs),
        statistics.median(cost.processor_ms for cost in costs),
    )


def _processor_seconds(where: Bed) -> float:
    worker = psutil.Process(where.children.living["worker-0"].pid)
    times = [each.cpu_times() for each in (worker, *worker.children(recursive=True))]
    return sum(each.user + each.system for each in times)


if __name__ == "__main__":
    main()
