"""The fleet as JSON shows it: null is what is not known, and "unknown" says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from monitoring.fleet.figures import Fleet
from orchestrator import redaction, times


def as_json(fleet: Fleet) -> dict[str, Any]:
    """All of it, without secrets; lengths of time are seconds."""
    told = {
        "at": times.iso(fleet.at),
        "queues": _each(fleet.queues),
        "workers": None if fleet.workers is None else [asdict(worker) for worker in fleet.workers],
        "beat": None if fleet.beat is None else asdict(fleet.beat),
        "relays": None if fleet.relays is None else asdict(fleet.relays),
        "letters": None if fleet.letters is None else asdict(fleet.letters),
        "breakers": _each(fleet.breakers),
        "running": _running(fleet),
        "processes": None if fleet.processes is None else [asdict(process) for process in fleet.processes],
        "metrics_behind_minutes": fleet.metrics_behind_minutes,
        "unknown": dict(fleet.unknown),
    }
    return {name: _without_secrets(value) for name, value in told.items()}


def _each(figures: Any) -> dict[str, Any] | None:
    return None if figures is None else {name: asdict(each) for name, each in figures.items()}


def _without_secrets(value: Any) -> Any:
    """Texts with their secrets masked. A queue may be called "tokens": names hide no figures here."""
    if isinstance(value, str):
        return redaction.text(value)
    if isinstance(value, Mapping):
        return {redaction.text(str(name)): _without_secrets(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(each) for each in value]
    return value


def _running(fleet: Fleet) -> dict[str, Any] | None:
    running = fleet.running
    if running is None:
        return None
    overdue = [entry.plain() for entry in running.overdue_tasks]
    return {"count": running.count, "overdue": running.overdue, "overdue_tasks": overdue}
