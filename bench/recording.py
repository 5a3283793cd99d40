"""What recording costs a task that does nothing, in the processor's time.

Two workers with two processes each, on a Redis of their own each: one is ours, the other one is ours too, but
nobody hears of what happens in it. In turns each empties a queue of the same tasks, and the processor's time
that the worker and its children take, also those that have ended, is read from the system. That includes the
thread that writes. Outcomes are counted by both, in the step that settles them. Stock Celery records nothing
by itself: there is no peer but ourselves without it.

Two processes with the same code are not equally fast: all that is done with several sets of workers, and the
median of what they say counts. A run takes about three minutes.
"""

import statistics
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

from bench.load import bed, celery_worker, spent, work
from bench.load.bars import Figure, all_met, show
from bench.load.bed import Bed, Spoilt
from bench.load.celery_worker import POOLS, Contender
from orchestrator import keys

_SIDES = {
    "recording": Contender("OmniNode", "bench.load.omninode"),
    "silent": Contender("OmniNode that records nothing", "bench.load.unrecorded"),
}
_BAR_PERCENT = 3.0


@click.command(help=__doc__)
@click.option("--tasks", default=3000, show_default=True, type=click.IntRange(min=10), help="In each turn.")
@click.option("--sets", default=5, show_default=True, type=click.IntRange(min=1), help="Of workers.")
@click.option("--rounds", default=6, show_default=True, type=click.IntRange(min=2), help="Of each set.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, tasks: int, sets: int, rounds: int, as_json: bool) -> None:
    """Measure, print, and exit with 1 when the bar is missed."""
    try:
        messages = celery_worker.render(_SIDES["recording"], work.NOOP, tasks)
        measured = [measure(messages, rounds) for _ in range(sets)]
    except KeyboardInterrupt:
        sys.exit(130)
    figures = _figures(measured)
    show(figures, as_json=as_json)
    sys.exit(not all_met(figures))


def measure(messages: list[str], rounds: int) -> dict[str, float]:
    """Microseconds of the processor a task, of two new workers."""
    taken: dict[str, list[float]] = {name: [] for name in _SIDES}
    with ExitStack() as made:
        places = {}
        for name, who in _SIDES.items():
            places[name] = made.enter_context(bed.made(len(messages)))
            celery_worker.start(places[name], who, POOLS["prefork"])
            spent.drain(places[name], messages)
        for number in range(rounds):
            for name in _SIDES if number % 2 == 0 else reversed(_SIDES):
                taken[name].append(spent.drain(places[name], messages) / len(messages) * 1e6)
        _check(places)
    return {name: spent.undisturbed(values) for name, values in taken.items()}


def _check(places: dict[str, Bed]) -> None:
    """One has recorded, and the other one has not: what is compared is what it is called."""
    for name, where in places.items():
        fields = [str(field) for field in where.client.hkeys(keys.metrics("totals"))]
        if any('"call"' in field for field in fields) != (name == "recording"):
            raise Spoilt(f"the worker that is called {name} has these fields in Redis: {fields}")


def _figures(measured: list[dict[str, float]]) -> list[Figure]:
    recording, silent = (_median(each[name] for each in measured) for name in ("recording", "silent"))
    # Of the medians: within one set the luck of a process is more than what is measured.
    more = 100 * (recording / silent - 1)
    return [
        Figure("without recording: µs a task", f"{silent:.1f}"),
        Figure(
            "recording: more",
            f"{more:.2f} % ({recording:.1f} µs)",
            f"≤ {_BAR_PERCENT:g} %",
            more <= _BAR_PERCENT,
            {"stock Celery": "records nothing"},
        ),
    ]


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()
