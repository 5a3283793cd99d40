"""`omninode breakers list`: the breakers of the fleet, and what they do now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orchestrator.breaker.details import Details

_LEAST_NAME = 16
_HEADER = ["breaker", "state", "in a row", "trips", "waiting", "window"]


@click.command("list")
@click.argument("patterns", nargs=-1)
@click.option("--open", "only_open", is_flag=True, help="Only those that hold calls back now.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(*, patterns: tuple[str, ...], only_open: bool, as_json: bool) -> None:
    """List breakers: all, or those with the names or PATTERNS, such as 'model:*'.

    It shows where each circuit is; failures in a row, and which part of the window's calls failed, each with
    what opens the circuit behind a slash; how often it has opened; and the tasks that wait. Below it stands,
    as far as a line holds it, how long that lasts, who has set it and why, and its last error.
    """
    from orchestrator.breaker import plain
    from orchestrator.cli.breakers.opening import store
    from orchestrator.cli.breakers.picking import ALL, pick, require
    from orchestrator.cli.breakers.reading import read
    from orchestrator.cli.breakers.waiting import waiting
    from orchestrator.cli.deadletters.rendering import echo_json

    with store() as fleet:
        names = fleet.names()
        picked = pick(patterns, names)
        if picked.unknown:
            require(picked, names, ALL)
        chosen = picked.known if patterns else names
        # Of thousands of breakers few are open: their states come by hundreds, details one by one.
        listed = [each.name for each in fleet.read(chosen) if each.holds_calls_back] if only_open else chosen
        found = read(fleet, listed)
    waits = waiting([each.state.name for each in found])
    if as_json:
        told = [plain.details(each, waits[each.state.name] if waits is not None else None) for each in found]
        echo_json({"breakers": told})
        return
    if found:
        _print(found, waits)
    elif not names:
        click.echo("no breaker is known: one begins to exist with its first call")
    else:
        click.echo("no breaker holds calls back" if chosen and only_open else "no breaker matches")
    if waits is None:
        click.echo("the broker does not answer: how many tasks wait is unknown", err=True)


def _print(found: list[Details], waits: Mapping[str, int] | None) -> None:
    from orchestrator.cli.breakers.rendering import by_hand, outlook
    from orchestrator.cli.deadletters.rendering import columns, short, table

    rows = [_row(each, "?" if waits is None else f"{waits[each.state.name]:,}") for each in found]
    taken = sum(2 + max(map(len, column)) for column in zip(_HEADER[1:], *rows, strict=True))
    most = max(_LEAST_NAME, columns() - taken)
    notes = ["; ".join(filter(None, (outlook(each.state), by_hand(each), each.error))) for each in found]
    lines = [[short(each.state.name, most), *row] for each, row in zip(found, rows, strict=True)]
    table(_HEADER, lines, right=["in a row", "trips", "waiting"], below=notes)


def _row(each: Details, waiting: str) -> list[str]:
    from orchestrator.breaker.words import word
    from orchestrator.cli.breakers.rendering import in_a_row, window

    return [word(each.state), in_a_row(each), f"{each.tripped:,}", waiting, window(each)]
