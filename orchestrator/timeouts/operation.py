"""One operation as it runs: what it is nested in, and when it is warned, over its limit, and stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Literal, cast

from celery import _state

from orchestrator.errors import TimeoutExceeded
from orchestrator.timeouts import deadline
from orchestrator.timeouts.left import INNERMOST, innermost
from orchestrator.timeouts.running import Running, table
from orchestrator.timeouts.terms import AdaptiveTimeout, Terms
from orchestrator.timeouts.warning import OnWarning

Outcome = Literal["", "completed", "failed", "cancelled"]
# Whose end comes first: its own, that of all that is done within the outermost one, or that of the task.
Cause = Literal["operation", "global", "deadline"]

# On a TimeoutExceeded of ours: when that which it names ended.
ENDED_AT = "omninode_ended_at"
_DETAILS: dict[Cause, str] = {
    "operation": "",
    "global": "{name} and all that it called took longer than the global_timeout of {seconds:g} s "
    "(a TimeoutConfig's; where that names none, TIMEOUT_GLOBAL_DEFAULT)",
    "deadline": "the deadline of the task was over {seconds:.3g} s after {name} had begun",
}
# What comes next for it.
WARN, LIMIT, END = range(3)


class Operation(Running):
    """As it runs; its moments are those of `clock`. `outcome` is empty until it has ended.

    `end_of` is the operation whose end comes first, this one or one around it; `flow` is the asyncio task or
    the thread that it runs in.
    """

    __slots__ = (
        "adaptive",
        "cause",
        "clock",
        "end_of",
        "end_seconds",
        "ended_at",
        "flow",
        "is_following",
        "is_over",
        "on_warning",
        "outcome",
        "parent",
        "stage",
        "tally",
        "terms",
        "timeout_seconds",
        "was_struck",
    )
    # Here it always has both.
    limit_at: float
    ends_at: float
    clock: Callable[[], float]
    parent: Operation | None

    def __init__(
        self,
        terms: Terms,
        name: str,
        timeout_seconds: float,
        adaptive: AdaptiveTimeout | None,
        on_warning: OnWarning | None,
    ) -> None:
        # What the dataclass would do, with one call less: this is made for each operation.
        self.kind = "operation"
        self.name = name
        self.began = self.started_at = 0.0
        self.warn_at = self.deadline = None
        self.task_id = ""
        self.pid = 0
        self.state = "running"
        self.was_warned = False
        self.explained = None if adaptive is None else adaptive.explained()
        self.terms = terms
        self.timeout_seconds = timeout_seconds
        self.adaptive = adaptive
        self.on_warning = on_warning
        self.tally = terms.tallies.of(name)
        self.was_struck = self.is_over = self.is_following = False
        self.outcome: Outcome = ""
        self.ended_at: float | None = None
        self.flow: Any = None

    @property
    def limit_seconds(self) -> float:
        """How long it may take: its timeout, or what those around it leave."""
        # As it was given: of a difference of moments the last digits are the clock's.
        is_given = not self.pid or self.limit_at == self.began + self.timeout_seconds
        return self.timeout_seconds if is_given else self.limit_at - self.began

    @property
    def elapsed_seconds(self) -> float:
        """Since its beginning, to its end where that has come; 0 before it has begun."""
        if not self.pid:
            return 0.0
        return (self.clock() if self.ended_at is None else self.ended_at) - self.began

    @property
    def left_seconds(self) -> float:
        """To its limit, 0 at least: the grace period comes after that."""
        return max(0.0, self.limit_seconds - self.elapsed_seconds)

    def begin(self, clock: Callable[[], float], flow: Any) -> float:
        """Work out its limits; returns when the first of them is due.

        Raises:
            TimeoutExceeded: what it would be part of has ended: it is not begun.
            RuntimeError: it was begun before.
        """
        if self.pid:
            raise RuntimeError(f"the timeout context of {self.name!r} was used before: make another one")
        self.clock, self.flow = clock, flow
        self.began = now = clock()
        terms = self.terms
        limit_at = now + self.timeout_seconds
        ends_at = limit_at + terms.grace_seconds
        # Only operations are entered.
        self.parent = parent = cast("Operation | None", innermost())
        self.end_of: Operation = self
        self.cause: Cause = "operation"
        self.end_seconds = self.timeout_seconds
        if parent is None:
            ends_at = self._bounded(ends_at)
        else:
            self.task_id, self.deadline = parent.task_id, parent.deadline
            if parent.ends_at <= ends_at:
                ends_at = parent.ends_at
                self.end_of, self.cause, self.end_seconds = parent.end_of, parent.cause, parent.end_seconds
                self.is_following = parent.flow is flow
        self.ends_at = ends_at
        self.limit_at = limit_at = min(limit_at, ends_at)
        if ends_at <= now:
            raise self.exceeded()
        self.started_at = time.time()
        pid = os.getpid()
        # No interrupt comes between these two.
        self.tally.started += 1
        self.pid = pid
        if terms.threshold is not None:
            self.stage = WARN
            self.warn_at = now + terms.threshold * (limit_at - now)
            return self.warn_at
        self.stage = END
        return ends_at

    def _bounded(self, ends_at: float) -> float:
        """The outermost one's end: where several come at once it is that of the most that ends."""
        global_seconds = self.terms.global_seconds
        if self.began + global_seconds <= ends_at:
            ends_at = self.began + global_seconds
            self.cause, self.end_seconds = "global", global_seconds
        task = _state.get_current_task()
        if task is None:
            return ends_at
        self.task_id = task.request.id or ""
        left_seconds = deadline.left_of(task.request)
        if left_seconds is None:
            return ends_at
        self.deadline = time.time() + left_seconds
        if self.began + left_seconds <= ends_at:
            ends_at = self.began + left_seconds
            self.cause, self.end_seconds = "deadline", left_seconds
        return ends_at

    def enter(self) -> None:
        """What is done from here on is part of it."""
        INNERMOST.set(self)
        table.enter(self)

    def leave(self) -> None:
        """What is done from here on is not part of it; doing so again changes nothing."""
        self.is_over = True
        # Elsewhere than where it was entered there is nothing to take back.
        if INNERMOST.get() is self:
            INNERMOST.set(innermost())
        table.leave(self)

    def exceeded(self) -> TimeoutExceeded:
        """The error that names the one whose end came first."""
        end_of = self.end_of
        detail = _DETAILS[self.cause].format(name=end_of.name, seconds=self.end_seconds)
        elapsed_seconds = self.clock() - end_of.began
        error = TimeoutExceeded(end_of.name, self.end_seconds, elapsed_seconds, detail)
        setattr(error, ENDED_AT, self.ends_at)
        return error
