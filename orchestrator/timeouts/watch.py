"""Warns of tasks that come near their limit: once each, in the log, as an event, and to who announces it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

from orchestrator import events, logger, redaction
from orchestrator.timeouts.running import Running

_LOG = logger.get(__name__)


@dataclass(frozen=True, slots=True)
class Near:
    """A task that has little time left; `limit` says whose: "soft", "hard" or "deadline"."""

    task: str
    task_id: str
    limit: events.Limit
    limit_seconds: float
    elapsed_seconds: float
    left_seconds: float
    pid: int


# Tells the fleet. A worker sets it: from here on it is called from the thread that looks.
announce: Callable[[Near], None] | None = None


def look(entries: Iterable[Running], now: float, unix_now: float) -> None:
    """Warn of those that are due; `now` is `time.monotonic()`. Operations warn for themselves."""
    for entry in entries:
        if (
            entry.kind == "task"
            and not entry.was_warned
            and entry.warn_at is not None
            and now >= entry.warn_at
        ):
            entry.was_warned = True
            _warn(entry, now, unix_now)


def _warn(entry: Running, now: float, unix_now: float) -> None:
    coming = entry.next_limit(now, unix_now)
    if coming is None:
        return
    limit, at = coming
    if entry.is_shrunk(now, unix_now):
        # Whichever of its limits comes next: what strikes is told so too.
        limit = "deadline"
    near = Near(
        task=entry.name,
        task_id=entry.task_id,
        limit=cast("events.Limit", limit),
        limit_seconds=at - entry.began,
        elapsed_seconds=now - entry.began,
        left_seconds=max(0.0, at - now),
        pid=entry.pid,
    )
    _LOG.tell(
        "warning",
        "task_near_its_limit",
        task=near.task,
        task_id=near.task_id,
        limit=limit,
        limit_seconds=round(near.limit_seconds, 3),
        seconds_left=round(near.left_seconds, 3),
        process=near.pid,
    )
    events.emit(events.TimeoutNear(near.task, near.limit, near.limit_seconds, near.elapsed_seconds))
    if not announce:
        return
    try:
        announce(near)
    except Exception as error:
        _LOG.tell("info", "warning_not_announced", error=redaction.text(f"{type(error).__name__}: {error}"))
