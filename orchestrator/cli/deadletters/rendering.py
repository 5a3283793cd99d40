"""How letters look: as JSON, and as tables for a person. Without secrets and control characters."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click

from orchestrator import redaction, times

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH, _LEAST, _GAP = 80, 20, "  "
# Of a pipe or a file: what reads it wants it whole.
_ANY_WIDTH = 1_000_000


def echo_json(shown: Mapping[str, Any], **counts: Mapping[str, int]) -> None:
    """Print one JSON object. `counts` are numbers by name, and no secrets whatever the name."""
    click.echo(json.dumps(redaction.data(_plain(shown)) | counts, default=str))


def columns() -> int:
    """How many columns the terminal has, or COLUMNS says; in a pipe or a file, as many as are needed."""
    from shutil import get_terminal_size

    return get_terminal_size((_WIDTH if sys.stdout.isatty() else _ANY_WIDTH, 24)).columns


def fitted(text: str) -> str:
    """The text as one line of the terminal, without what it would obey."""
    from rich.cells import cell_len, set_cell_size

    shown, most = redaction.printable(text), columns()
    return shown if cell_len(shown) <= most else f"{set_cell_size(shown, most - 1)}…"


def wrapped(text: str, indent: int) -> str:
    """The text, without what a terminal would obey, in lines that fit it, all but the first one indented.

    Nothing of it is cut: where there is no terminal, they have 80 columns.
    """
    from textwrap import fill

    width = columns() if columns() < _ANY_WIDTH else _WIDTH
    return fill(redaction.printable(text), width, subsequent_indent=" " * indent, break_on_hyphens=False)


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    right: Sequence[str] = (),
    below: Sequence[str] = (),
) -> None:
    """Print a table that fits the terminal; its last column gives way. `below` are notes to the rows."""
    from rich.cells import cell_len, set_cell_size

    lines = [list(header), *([redaction.printable(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    left = columns() - sum(width + len(_GAP) for width in widths[:-1])
    widths[-1] = min(widths[-1], max(left, _LEAST))
    for line, note in zip(lines, ["", *(below or [""] * len(rows))], strict=True):
        cells = [
            f"{set_cell_size(cell, width - 1)}…"
            if cell_len(cell) > width
            # Wide characters take two columns.
            else " " * (width - cell_len(cell)) + cell
            if name in right
            else set_cell_size(cell, width)
            for name, cell, width in zip(header, line, widths, strict=True)
        ]
        click.echo(_GAP.join(cells).rstrip())
        if note:
            click.echo(fitted(f"{_GAP}{note}"))


def error(exception: str, reason: str, message: str) -> str:
    """What happened, in a line: the class without its modules, which leaves room for the message."""
    name = exception.rpartition(".")[2] or reason
    return f"{name}: {message}" if message else name


def counted(number: int, what: str) -> str:
    """So many of them, as in 1 letter, 2,000 letters, 2 deliveries."""
    several = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number:,} {what if number == 1 else several}"


def short(text: str, most: int) -> str:
    """The text, or its end, where that of a name says more than its beginning."""
    return text if len(text) <= most else f"…{text[-most + 1 :]}"


def age(at: datetime, now: datetime) -> str:
    """How long ago that was, in its largest unit, as in 15m."""
    return times.age((now - at).total_seconds())


def sparkline(numbers: Sequence[int]) -> str:
    """The numbers as a line of bars, and a dot for none."""
    most = max(numbers, default=0)
    return "".join(_BARS[(number * len(_BARS) - 1) // most] if number else "·" for number in numbers)


def _plain(value: Any) -> Any:
    """What JSON knows of it."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return str(value) if isinstance(value, UUID) else value
