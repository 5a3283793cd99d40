"""How fast tasks are enqueued, delivered, retried and settled, beside stock Celery, dramatiq and taskiq.

OmniNode and its peers take turns in one run, each measurement with a fresh Redis (append-only file,
`everysec`), on two cores, without results; the medians of the rounds are held against the bars. A queue is
filled before it is drained, and released at one moment when the workers are ready. The time runs from the
first task's start to the last task's end, and every task has to run exactly as often as it should.

`make bench` installs what this needs, as does `pip install -e '.[bench,embedded,dev]'`; without dramatiq or
taskiq their figures are skipped. A full run of five rounds takes some twenty minutes.
"""

import json
import os
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

from bench.load import rounds as turns
from bench.load import table
from bench.load.figures import FIGURES, NAMES
from bench.load.sizes import Sizes

CORES = 2


@click.command(help=__doc__)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--tasks", default=20_000, show_default=True, type=click.IntRange(min=100), help=Sizes.__doc__)
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="These figures; may be given again.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every round.")
def main(*, rounds: int, tasks: int, only: tuple[str, ...], as_json: bool) -> None:
    """Measure, print, and exit with 1 when a bar is missed."""
    _use_two_cores()
    figures = [figure for figure in FIGURES if not only or figure.name in only]
    readings = [reading for figure in figures for reading in figure.readings]
    try:
        results = turns.run(readings, Sizes(tasks), rounds, lambda line: click.echo(line, err=True))
    except KeyboardInterrupt:
        sys.exit(130)
    rows = [table.judge(figure, results) for figure in figures]
    if as_json:
        found = [table.record(row, results) for row in rows]
        click.echo(json.dumps({"rounds": rounds, "tasks": tasks, "figures": found}, indent=2))
    else:
        click.echo(table.text(rows, f"{tasks:,} tasks, median of {rounds}"))
    sys.exit(any(row.met is False for row in rows))


def _use_two_cores() -> None:
    """Hold this process and all that it starts to two cores, where the system lets it."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


if __name__ == "__main__":
    main()
