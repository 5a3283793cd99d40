"""`omninode dashboard`: the main figures of the fleet, and whether it is healthy."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from monitoring.cli.dashboard.reading import Seen

_WATCH_SECONDS = 5.0
_INTERRUPTED = 130


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with --watch one a line.")
@click.option(
    "--watch",
    "seconds",
    type=click.FloatRange(min=1.0, max=86_400.0),
    is_flag=False,
    flag_value=_WATCH_SECONDS,
    metavar="[SECONDS]",
    help=f"Again and again, every {_WATCH_SECONDS:g} s or so many, until Ctrl-C.",
)
def dashboard(*, as_json: bool, seconds: float | None) -> None:
    """Show how the fleet is: the verdict and why, and the main figures of it.

    The verdict and its figures are of the last five minutes; components and resilience of all that is kept
    (PERF_MONITOR_RETENTION_HOURS). Every server is asked by itself and at the same time: what does not answer
    within three seconds is shown as unknown, and never as zero. Calls and durations may lack the last second
    of a process that was killed; `omninode metrics` has the exact outcomes of tasks.

    Exits with 0 when all is healthy, with 1 when something is degraded or critical, with 130 after Ctrl-C.
    """
    import logging

    from monitoring.cli.dashboard.reading import Reader

    # What the clients log about servers that are away is shown already.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        reader = Reader()
        seen = reader.read()
        _show(seen, as_json=as_json, watches=seconds is not None)
        while seconds is not None:
            time.sleep(seconds)
            seen = reader.read()
            _show(seen, as_json=as_json, watches=True)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    sys.exit(seen.health.status != "healthy")


def _show(seen: Seen, *, as_json: bool, watches: bool) -> None:
    import json

    from monitoring.cli.dashboard import screen

    if as_json:
        click.echo(json.dumps(seen.as_json(), indent=None if watches else 2, ensure_ascii=False))
        return
    if watches:
        click.clear()
    for line in screen.lines(seen):
        click.echo(line)
