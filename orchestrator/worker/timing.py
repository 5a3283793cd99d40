"""A running task's time as the main process knows it: its limits, which has struck, how long it took."""

from __future__ import annotations

import time
from typing import Any

import structlog

from orchestrator import events, settings, times
from orchestrator.deadletter.letter import class_of
from orchestrator.events import CallEnded, GraceRecovered, Limit, TimeoutStruck
from orchestrator.timeouts import running
from orchestrator.timeouts.deadline import Deadline, text
from orchestrator.timeouts.running import Running, State
from orchestrator.worker import time_limits
from orchestrator.worker.time_limits import Limits

_LOG = structlog.get_logger(__name__)

# What is told of how it ended calls this its operation.
_OPERATION = "run"
# Where nothing is left when a process says that it has begun: so long it has to say that it will not run it.
_REFUSAL_SECONDS = 0.5


class Timing:
    """That of one delivery. `deadline` is there before it runs, `limits` count from its beginning."""

    __slots__ = (
        "_began",
        "_ended_at",
        "_has_ended",
        "_is_untold",
        "_pid",
        "_row",
        "_started_at",
        "_state",
        "_told_at",
        "deadline",
        "limits",
        "name",
        "task_id",
    )

    def __init__(self, name: str, task_id: str, deadline: Deadline) -> None:
        self.name = name
        self.task_id = task_id
        self.deadline = deadline
        self.limits = time_limits.NONE
        self._row: Running | None = None
        self._state: State = "running"
        self._ended_at: float | None = None
        self._told_at: float | None = None
        self._is_untold = self._has_ended = False

    def limit(self, soft: float | None, hard: float | None) -> Limits:
        """A process begins with it, which by itself may take so long: what may it take now?"""
        left_seconds = self.deadline.at - time.time()
        if left_seconds <= 0:
            left_seconds = _REFUSAL_SECONDS
        self.limits = time_limits.within(soft, hard, left_seconds)
        return self.limits

    def begin(self, pid: int, began: float, started_at: float) -> None:
        """It runs in this process since then, by the monotonic clock and in Unix seconds."""
        if self._has_ended:
            # The death of its process was heard of first.
            return
        self._began, self._started_at, self._pid = began, started_at, pid
        self._is_untold = True
        running.table.enter(self)

    def shown(self) -> Running:
        """Its row in the table of what runs; asked for only once it has begun."""
        if self._row is None:
            self._row = self._made()
        return self._row

    def _made(self) -> Running:
        began, limits, left_seconds = self._began, self.limits, self.deadline.at - self._started_at
        longest = left_seconds if limits.soft is None else min(limits.soft, left_seconds)
        return Running(
            "task",
            self.name,
            began,
            self._started_at,
            warn_at=began + settings.current().timeout_warning_threshold * longest,
            limit_at=None if limits.soft is None else began + limits.soft,
            ends_at=None if limits.hard is None else began + limits.hard,
            deadline=self.deadline.at,
            task_id=self.task_id,
            pid=self._pid,
            state=self._state,
        )

    def strike(self, *, soft: bool, seconds: float) -> None:
        """A limit has struck: it is told to stop, or was killed."""
        shrunk = self.limits.shrunk_soft if soft else self.limits.shrunk_hard
        own: Limit = "soft" if soft else "hard"
        if soft:
            self._told_at = time.monotonic()
        self._state = "grace" if soft else "stopping"
        if self._row is not None:
            self._row.state = self._state
        tell = _LOG.warning if soft else _LOG.error
        done = f"{'told to stop' if soft else 'killed'} after {times.length(seconds)}"
        why = {"what": f"{done}, its {own} limit"}
        if shrunk:
            why = {
                "what": f"{done}: its deadline comes before its hard limit, and has shortened both",
                "deadline": text(self.deadline.at),
            }
        tell(f"{own}_time_limit", task=self.name, task_id=self.task_id, seconds=round(seconds, 3), **why)
        events.emit(TimeoutStruck(self.name, "deadline" if shrunk else own, seconds))

    @property
    def is_told(self) -> bool:
        """Whether its soft limit has struck."""
        return self._told_at is not None

    def recover(self) -> None:
        """It has finished; where it was told to stop before, within the grace period."""
        if self._told_at is None:
            return
        after_seconds, self._told_at = time.monotonic() - self._told_at, None
        limit_seconds = self.limits.soft or 0.0
        _LOG.info(
            "finished_within_grace",
            task=self.name,
            task_id=self.task_id,
            soft_limit_seconds=round(limit_seconds, 3),
            seconds_after_it=round(after_seconds, 3),
        )
        events.emit(GraceRecovered(self.name, limit_seconds, limit_seconds + after_seconds))

    def tell(self, error: BaseException | None = None) -> None:
        """Tell once how this attempt has ended: well, or of this error; nothing of one that never began."""
        if not self._is_untold or not events.is_heard():
            return
        self._is_untold = False
        ended_at = time.monotonic() if self._ended_at is None else self._ended_at
        error_type = class_of(error).rpartition(".")[2] if error else ""
        events.emit(CallEnded(self.name, _OPERATION, ended_at - self._began, error is None, error_type))

    def end(self) -> None:
        """No process has it any more, whatever became of it; it may be said twice."""
        self._has_ended = True
        if self._is_untold and self._ended_at is None and events.is_heard():
            self._ended_at = time.monotonic()
        running.table.leave(self)


def of_callback(callback: Any) -> Timing | None:
    """That of the request which this is a method of; None of any other callback."""
    return getattr(getattr(callback, "__self__", None), "timing", None)
