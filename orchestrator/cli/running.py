"""`omninode running`: what runs in the fleet now, where, since when, and until when."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from orchestrator import times

if TYPE_CHECKING:
    from orchestrator.timeouts.fleet import Entry, Fleet

_NEAR_PERCENT = 80.0
# Where there is too little room it is the worker that gives way: a name says more.
_LEAST_NAME, _LEAST_WORKER, _MOST_WORKER = 16, 8, 30
# Below this a row says neither when it began (how long ago follows) nor the moment of its deadline.
_WIDE_COLUMNS = 120
_HEADER = ["what", "worker", "pid", "started", "elapsed", "limit", "used", "state"]
_RIGHT = ["pid", "elapsed", "used"]


@click.command()
@click.option("--explain", is_flag=True, help="Also say where limits are from that follow past durations.")
@click.option(
    "-n", "--limit", "most", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most."
)
@click.option("--task", "name", metavar="NAME", help="Only tasks and operations of this name.")
@click.option("--near", "only_near", is_flag=True, help="Only what is marked with !.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def running(*, explain: bool, most: int, name: str | None, only_near: bool, as_json: bool) -> None:
    """Show the tasks and operations that run now, oldest first, and how much of their time they have used.

    What has run for less than a second need not be shown yet, and what a killed process ran is gone a few
    seconds later. The limit is the one that comes next: a task's soft or hard one or its deadline, an
    operation's own or the end of its grace period. Marked with ! is what has used 80% of the time to it, or
    is past one already (in its grace period, or stopping). A task's id is shown where it fits, and by --json.
    """
    from orchestrator.cli.deadletters.rendering import echo_json

    fleet = _read()
    found = [each for each in fleet.entries if _is_wanted(each, name, only_near=only_near)]
    if as_json:
        echo_json({"running": [each.plain() for each in found[:most]]} | _told(fleet, len(found)))
        return
    if found:
        _print(found[:most], explain=explain)
    else:
        click.echo("nothing runs" if not fleet.entries else "nothing that runs matches")
    left_out = sum(each.left_out for each in fleet.processes)
    if len(found) > most:
        click.echo(f"{len(found) - most:,} more: see --limit", err=True)
    if left_out:
        click.echo(f"{left_out:,} more run in processes that tell only of their oldest thousand", err=True)


def _is_wanted(entry: Entry, name: str | None, *, only_near: bool) -> bool:
    return (name is None or entry.name == name) and (not only_near or _is_near(entry))


def _is_near(entry: Entry) -> bool:
    return entry.state != "running" or (entry.percent or 0.0) >= _NEAR_PERCENT


def _read() -> Fleet:
    from orchestrator.cli.breakers.opening import opened
    from orchestrator.settings import current
    from orchestrator.timeouts import fleet

    with opened() as (_, client):
        return fleet.read(client, current().key_prefix)


def _told(fleet: Fleet, found: int) -> dict[str, Any]:
    from dataclasses import asdict

    return {"found": found, "processes": [asdict(each) for each in fleet.processes]}


def _print(found: list[Entry], *, explain: bool) -> None:
    from orchestrator.cli.deadletters.rendering import columns, short, table

    is_wide = columns() >= _WIDE_COLUMNS
    header = [name for name in _HEADER if is_wide or name != "started"]
    rows = [_row(each, is_wide=is_wide) for each in found]
    taken = sum(2 + max(map(len, column)) for column in zip(header[2:], *rows, strict=True))
    room = columns() - taken - 2
    longest_name = max(len(each.name) for each in found)
    most_worker = min(_MOST_WORKER, max(_LEAST_WORKER, room - longest_name))
    workers = [short(each.worker or each.host, most_worker) for each in found]
    most_name = max(_LEAST_NAME, room - max(map(len, ["worker", *workers])))
    names = [_what(each, most_name) for each in found]
    notes = [_explanation(each) if explain else "" for each in found]
    table(
        header,
        [[name, worker, *row] for name, worker, row in zip(names, workers, rows, strict=True)],
        _RIGHT,
        notes,
    )


def _what(entry: Entry, most: int) -> str:
    """Its name; with the task's id where that fits as a whole: a part of one finds nothing."""
    from orchestrator.cli.deadletters.rendering import short

    whole = f"{entry.name} {entry.task_id}" if entry.kind == "task" and entry.task_id else entry.name
    return whole if len(whole) <= most else short(entry.name, most)


def _row(entry: Entry, *, is_wide: bool) -> list[str]:
    return [
        str(entry.pid),
        *([_clock(entry.started_at)] if is_wide else []),
        times.length(entry.elapsed_seconds),
        _limit(entry, is_wide=is_wide),
        "-" if entry.percent is None else f"{entry.percent:.0f}%{'!' if _is_near(entry) else ''}",
        entry.state,
    ]


def _limit(entry: Entry, *, is_wide: bool) -> str:
    """The length until its next limit and whose that is, and where there is room the deadline's moment."""
    told = "" if entry.limit_seconds is None else f"{times.length(entry.limit_seconds)} {entry.limit}"
    if entry.deadline is None or not is_wide:
        return told or "-"
    moment = _clock(entry.deadline)
    if entry.limit == "deadline":
        return f"{told} {moment}"
    return f"{told}, deadline {moment}" if told else f"deadline {moment}"


def _clock(at: float) -> str:
    """The time of the day, and the day where it is another one; in UTC."""
    day, _, rest = times.moment(at).partition(" ")
    return rest.removesuffix(" UTC") if times.moment(time.time()).startswith(day) else f"{day} {rest[:8]}"


def _explanation(entry: Entry) -> str:
    told = entry.explained
    if not isinstance(told, Mapping):
        return "a fixed limit" if entry.limit else ""
    try:
        p99 = told["p99_seconds"]
        return (
            f"{told['seconds']:.3g} s, {told['why']}, since {times.moment(told['since'])}: "
            + ("no p99" if p99 is None else f"p99 {p99:.3g} s")
            + f" of {told['samples']:,} runs, {told['timeout_rate']:.1%} timed out"
        )
    except (LookupError, TypeError, ValueError):
        return ", ".join(f"{name} {value}" for name, value in told.items())
