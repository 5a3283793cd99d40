"""The dashboard as lines for a terminal of any width from 80 columns on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click
from rich.cells import cell_len, set_cell_size

from monitoring.cli.dashboard.reading import Seen
from monitoring.fleet.figures import QueueFigures
from orchestrator import times
from orchestrator.cli.deadletters.rendering import columns, fitted, short, wrapped
from orchestrator.redaction import printable

_COLOURS = {"healthy": "green", "degraded": "yellow", "critical": "red", "warning": "yellow", "info": "cyan"}
_MOST_ROWS = 20
_UNKNOWN = "?"


def lines(seen: Seen) -> Iterator[str]:
    """All of them."""
    told = seen.as_json()
    yield _styled(seen.health.status, times.moment(seen.fleet.at))
    for reason in seen.health.reasons:
        yield _wrapped(reason.severity, reason.sentence)
    yield ""
    yield from _figures(seen, told)
    yield from _components(told["component_performance"])
    yield from _queues(seen)
    yield from _breakers(seen)
    yield from _alerts(told["alerts"])


def _figures(seen: Seen, told: dict[str, Any]) -> Iterator[str]:
    health, happened = told["system_health"], told["resilience_metrics"]
    yield _facts(
        "last 5 minutes",
        ("calls", _number(seen.health.recent.of().count if seen.knows_sums else None)),
        ("failed", _number(health["error_rate_percent"], " %")),
        ("average", _number(health["average_response_time_ms"], " ms", none="-" if seen.knows_sums else "?")),
        ("connections", _number(health["active_connections"])),
    )
    yield _facts(
        "all that is kept",
        ("trips", _number(happened["circuit_breaker_trips"])),
        ("timeouts", _number(happened["timeout_failures"])),
        ("retries", _number(happened["retry_attempts"])),
        ("dead letters", _number(happened["dead_letter_queue_messages"])),
        ("recovered", _number(happened["grace_period_recoveries"])),
    )
    fleet = seen.fleet
    yield _facts(
        "now",
        ("workers", _number(None if fleet.workers is None else len(fleet.workers))),
        ("tasks running", _number(fleet.running.count if fleet.running else None)),
        ("relays", _number(fleet.relays.count if fleet.relays else None)),
        ("outbox", _number(fleet.relays.outbox if fleet.relays else None)),
        ("open letters", _number(fleet.letters.open_letters if fleet.letters else None)),
    )


def _components(components: dict[str, Any]) -> Iterator[str]:
    # What is called most comes first.
    ordered = sorted(components.items(), key=lambda pair: (-pair[1]["total_requests"], pair[0]))
    rows = [
        [
            name,
            f"{each['total_requests']:,}",
            f"{each['success_rate_percent']:.1f}",
            *(_number(each[f"{which}_duration_ms"]) for which in ("average", "p50", "p95", "p99")),
        ]
        for name, each in ordered
    ]
    yield from _table(["component", "calls", "ok %", "avg ms", "p50", "p95", "p99"], rows)


def _queues(seen: Seen) -> Iterator[str]:
    rows = [[name, *_queue(each)] for name, each in sorted((seen.fleet.queues or {}).items())]
    yield from _table(["queue", "workers", "waiting", "oldest", "delayed", "aside", "in flight", ""], rows)


def _queue(figures: QueueFigures) -> list[str]:
    age = figures.oldest_waiting_seconds
    oldest = "-" if not figures.waiting else _UNKNOWN if age is None else times.age(age)
    counts = (figures.delayed, figures.aside, figures.in_flight)
    paused = "paused" if figures.paused else ""
    return [f"{figures.workers:,}", f"{figures.waiting:,}", oldest, *map(_number, counts), paused]


def _breakers(seen: Seen) -> Iterator[str]:
    rows = [
        [name, each.state, _UNKNOWN if each.open_seconds is None else times.age(each.open_seconds)]
        for name, each in sorted((seen.fleet.breakers or {}).items())
        if each.state != "closed"
    ]
    yield from _table(["circuit", "state", "for"], rows)


def _alerts(alerts: list[dict[str, Any]] | None) -> Iterator[str]:
    if alerts is None:
        yield from ("", "which alerts are raised is unknown")
    if not alerts:
        return
    yield from ("", click.style("alerts", bold=True))
    for alert in alerts[:_MOST_ROWS]:
        marks = [mark for mark in ("acknowledged", "silenced") if alert[f"is_{mark}"]]
        since = ", ".join([f"since {times.moment(alert['since'])}", *marks])
        yield fitted(f"{alert['severity']:8}  {alert['name']}  {since}")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Names left, figures right; names give way where there is too little room."""
    if not rows:
        return
    shown = rows[:_MOST_ROWS]
    widths = [max(map(len, column)) for column in zip(header[1:], *(row[1:] for row in shown), strict=True)]
    room = max(8, columns() - sum(width + 2 for width in widths))
    width = min(room, max(cell_len(printable(row[0])) for row in [header, *shown]))
    yield ""
    yield click.style(_line(header, width, widths), bold=True)
    for row in shown:
        yield _line([short(printable(row[0]), width), *row[1:]], width, widths)
    if len(rows) > len(shown):
        yield f"{len(rows) - len(shown):,} more: see --json"


def _line(cells: Sequence[str], first: int, widths: Iterable[int]) -> str:
    others = (f"  {cell:>{width}}" for cell, width in zip(cells[1:], widths, strict=True))
    # Wide characters take two columns.
    return f"{set_cell_size(cells[0], first)}{''.join(others)}".rstrip()


def _facts(about: str, *facts: tuple[str, str]) -> str:
    return wrapped(f"{about + ':':18}" + "  ".join(f"{what} {value}" for what, value in facts), 18)


def _number(value: float | None, unit: str = "", *, none: str = _UNKNOWN) -> str:
    if value is None:
        return none
    return f"{value:,}{unit}" if isinstance(value, int) else f"{value:,.1f}{unit}"


def _styled(status: str, about: str) -> str:
    return f"{click.style(status, fg=_COLOURS[status], bold=True)}  {about}"


def _wrapped(severity: str, sentence: str) -> str:
    text = wrapped(f"{severity:8}  {sentence}", 10)
    return click.style(severity, fg=_COLOURS[severity]) + text[len(severity) :]
