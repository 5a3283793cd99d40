"""Figures as a table that fits the terminal, as JSON, and as Prometheus' text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from monitoring.cli.metrics.figures import Figures, figures
from monitoring.history.tiers import Tier
from monitoring.recording.sums import Sums

Periods = Sequence[tuple[datetime, Sums]]

_COLUMNS = ("calls", "ok", "died", "error", "p50", "p95", "p99", "wait", "retry", "limit")
_OUTCOMES = frozenset({"ok", "died"})
# What is left out first where there is no room for all.
_SPARED = ("p50", "p99")
_WIDTH, _LEAST_NAME = 5, 12
_MINUTE, _HOUR, _DAY = 60_000.0, 3_600_000.0, 86_400_000.0


def table(periods: Periods, tier: Tier | None, *, by_operation: bool, left_out: int = 0) -> None:
    """One line a component, or an operation of it; of each period, where they are of a tier.

    So many components are `left_out`, which is said below.
    """
    from rich.cells import cell_len

    from orchestrator.cli.deadletters.rendering import columns

    lines = [
        (_stamp(at, tier), each) for at, sums in periods for each in figures(sums, by_operation=by_operation)
    ]
    if not lines:
        click.echo("nothing was counted")
        return
    stamp = max(len(at) for at, _ in lines)
    room = columns() - (stamp + 1 if stamp else 0)
    has_outcomes = any(each.succeeded is not None for _, each in lines)
    shown = _fitting([each for each in _COLUMNS if has_outcomes or each not in _OUTCOMES], room)
    names = [_name(each) for _, each in lines]
    width = min(max(cell_len(each) for each in (*names, "component")), max(room - _taken(shown), _LEAST_NAME))
    _line("in UTC" if stamp else "", stamp, "component", width, shown)
    before = ""
    for (at, each), name in zip(lines, names, strict=True):
        cells = _cells(each)
        _line("" if at == before else at, stamp, name, width, [cells[column] for column in shown])
        before = at
    if left_out:
        click.echo(f"… and {left_out:,} more (--top 0 shows all)")


def echo(periods: Periods, unknown: Mapping[str, str]) -> None:
    """All of it, exactly."""
    from orchestrator.cli.deadletters.rendering import echo_json

    echo_json({"periods": [_period(at, sums) for at, sums in periods], "unknown": dict(unknown)})


def prometheus(sums: Iterable[Sums]) -> None:
    """The counters and histograms, as the exporter names them."""
    from monitoring.exporter import counted
    from monitoring.performance import exposition
    from monitoring.performance import prometheus as told
    from monitoring.recording.sums import together

    total = together(sums)
    metrics = [*told.counts(total), *counted.families(total, None)]
    click.echo(told.durations(total) + counted.waits(total) + exposition.text(metrics), nl=False)


def _period(at: datetime, sums: Sums) -> dict[str, Any]:
    return {
        "starts_at": at,
        "components": [each.as_json() for each in figures(sums, by_operation=True)],
        "errors": [
            {"component": component, "error_type": kind, "count": count}
            for (component, kind), count in sorted(sums.errors.items())
        ],
        "events": [
            {"event": kind, "about": about, "count": count}
            for (kind, about), count in sorted(sums.events.items())
        ],
        "outcomes": [{**ended._asdict(), "count": count} for ended, count in sorted(sums.outcomes.items())],
    }


def _stamp(at: datetime, tier: Tier | None) -> str:
    if tier is None:
        return ""
    return f"{at:%Y-%m-%d}" if tier == "day" else f"{at:%m-%d %H:%M}"


def _name(each: Figures) -> str:
    from orchestrator import redaction

    return redaction.printable(each.component if each.operation is None else f"  {each.operation}")


def _fitting(wanted: Sequence[str], room: int) -> list[str]:
    """The columns, without those that would leave no room for names."""
    shown = list(wanted)
    for column in _SPARED:
        if room - _taken(shown) < _LEAST_NAME:
            shown.remove(column)
    return shown


def _taken(shown: Sequence[str]) -> int:
    return len(shown) * (_WIDTH + 1)


def _cells(each: Figures) -> dict[str, str]:
    ended = (each.succeeded, None if each.succeeded is None else each.dead_letters)
    lengths = (*(each.calls.quantile_ms(part) for part in (0.5, 0.95, 0.99)), each.waits.quantile_ms(0.95))
    cells = (
        _short(each.calls.count),
        # Of what is no task there are none.
        *(_short(count) or "-" for count in ended),
        _short(each.errors),
        *map(_length, lengths),
        *map(_short, (each.retries, each.timeouts)),
    )
    return dict(zip(_COLUMNS, cells, strict=True))


def _line(at: str, stamp: int, name: str, width: int, cells: Sequence[str]) -> None:
    from rich.cells import cell_len, set_cell_size

    shown = name if cell_len(name) <= width else f"{set_cell_size(name, width - 1)}…"
    start = [at.ljust(stamp)] if stamp else []
    words = [*start, set_cell_size(shown, width), *(cell.rjust(_WIDTH) for cell in cells)]
    click.echo(" ".join(words).rstrip())


def _short(number: int | None) -> str:
    """In five characters at most."""
    if number is None:
        return ""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size * (10 if unit == "k" else 1):
            parts = number / size
            return f"{parts:.1f}{unit}" if parts < 10 else f"{min(int(parts), 9999)}{unit}"  # noqa: PLR2004
    return str(number)


def _length(ms: float | None) -> str:
    """In five characters at most; a dash where nothing was measured."""
    if ms is None:
        return "-"
    units = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m"), (1000.0, "s"), (1.0, "ms"), (0.001, "µs"))
    # What would be rounded up to the next unit is said in that.
    size, unit = next((each for each in units if ms >= each[0] * 0.9995), units[-1])
    parts = ms / size
    return f"{parts:.1f}{unit}" if parts < 9.95 else f"{parts:.0f}{unit}"  # noqa: PLR2004
