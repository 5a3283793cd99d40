"""What deadlines and the table of what runs cost a task that does nothing, in the processor's time.

Three workers with two processes each, on a Redis of their own each: two are ours, the third one is ours too,
but with these functions replaced by ones that do nothing. In turns each empties a queue of the same tasks,
and the processor's time that the worker and its children take is read from the system. Tasks have the default
deadline, which no message carries, or one in their headers. Stock Celery has neither deadlines nor such a
table: there is no peer but ourselves without them.

Two processes with the same code are not equally fast: all that is done with several sets of workers, and the
median of what they say counts. A run takes about three minutes.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

from bench.load import bed, celery_worker, spent, work
from bench.load.bars import Figure, all_met, show
from bench.load.celery_worker import POOLS, Contender
from orchestrator.timeouts.deadline import DEADLINE

# What recording costs is measured elsewhere: the third one has nothing to record.
_WITH = Contender("OmniNode that records nothing", "bench.load.unrecorded")
_WITHOUT = Contender("OmniNode without them", "bench.load.untimed")
_BARE = "without"
_BAR_PERCENT = 3.0
_FAR_SECONDS = 3600.0


@click.command(help=__doc__)
@click.option("--tasks", default=3000, show_default=True, type=click.IntRange(min=10), help="In each turn.")
@click.option("--sets", default=5, show_default=True, type=click.IntRange(min=1), help="Of workers.")
@click.option("--rounds", default=6, show_default=True, type=click.IntRange(min=2), help="Of each set.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, tasks: int, sets: int, rounds: int, as_json: bool) -> None:
    """Measure, print, and exit with 1 when the bar is missed."""
    try:
        messages = celery_worker.render(_WITH, work.NOOP, tasks)
        measured = [measure(messages, rounds) for _ in range(sets)]
    except KeyboardInterrupt:
        sys.exit(130)
    figures = _figures(measured)
    show(figures, as_json=as_json)
    sys.exit(not all_met(figures))


def measure(plain: list[str], rounds: int) -> dict[str, float]:
    """Microseconds of the processor a task, of three new workers."""
    due = [_due(message) for message in plain]
    sides = {_BARE: (_WITHOUT, plain), "by default": (_WITH, plain), "in headers": (_WITH, due)}
    taken: dict[str, list[float]] = {name: [] for name in sides}
    with ExitStack() as made:
        turns = {}
        for name, (who, messages) in sides.items():
            where = made.enter_context(bed.made(len(plain)))
            celery_worker.start(where, who, POOLS["prefork"])
            spent.drain(where, messages)
            turns[name] = where, messages
        names = list(turns)
        for number in range(rounds):
            for name in names if number % 2 == 0 else reversed(names):
                taken[name].append(spent.drain(*turns[name]) / len(plain) * 1e6)
    return {name: spent.undisturbed(values) for name, values in taken.items()}


def _due(message: str) -> str:
    parsed = json.loads(message)
    parsed["headers"][DEADLINE] = time.time() + _FAR_SECONDS
    return json.dumps(parsed)


def _figures(measured: list[dict[str, float]]) -> list[Figure]:
    bare = _median(each[_BARE] for each in measured)
    shown = [Figure("without either: µs a task", f"{bare:.1f}")]
    for name in sorted(measured[0].keys() - {_BARE}):
        # Of the medians: within one set the luck of a process is more than what is measured.
        more = 100 * (_median(each[name] for each in measured) / bare - 1)
        shown.append(
            Figure(
                f"deadlines {name}, and the table: more",
                f"{more:.2f} % ({_median(each[name] for each in measured):.1f} µs)",
                f"≤ {_BAR_PERCENT:g} %",
                more <= _BAR_PERCENT,
                {"stock Celery": "has neither"},
            )
        )
    return shown


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()
