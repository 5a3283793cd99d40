"""How letters look: as JSON, and as tables and times for a person. Without secrets and control characters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click

from orchestrator import redaction

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH, _LEAST, _GAP = 100, 20, "  "
_AGES = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def echo_json(shown: Mapping[str, Any], **counts: Mapping[str, int]) -> None:
    """Print one JSON object. `counts` are numbers by name, and no secrets whatever the name."""
    click.echo(json.dumps(redaction.data(_plain(shown)) | counts, default=str))


def table(header: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str] = ()) -> None:
    """Print a table that fits the terminal, 100 columns where there is none; its last column gives way."""
    from shutil import get_terminal_size

    from rich.cells import cell_len, set_cell_size

    lines = [list(header), *([redaction.printable(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    left = get_terminal_size((_WIDTH, 24)).columns - sum(width + len(_GAP) for width in widths[:-1])
    widths[-1] = min(widths[-1], max(left, _LEAST))
    for line in lines:
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


def when(at: datetime | None) -> str:
    """A moment in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if at else "-"


def age(at: datetime, now: datetime) -> str:
    """How long ago that was, in its largest unit, as in 15m."""
    return length((now - at).total_seconds())


def length(seconds: float) -> str:
    """A length of time in its largest unit, as in 15m."""
    for size, unit in _AGES:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return "0s"


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
