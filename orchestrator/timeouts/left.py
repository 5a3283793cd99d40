"""How much time is left here: to the task's deadline, and to the end of the timeout contexts around this."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol

from orchestrator.timeouts import deadline


class Around(Protocol):
    """A timeout context; it ends at `ends_at` by its clock, no later than those around it."""

    ends_at: float
    is_over: bool

    @property
    def parent(self) -> Around | None:
        """The one around it."""

    def clock(self) -> float:
        """What its moments are measured by."""


# The innermost one that was entered here, or where this was begun; `TimeoutManager` sets it.
INNERMOST: ContextVar[Around | None] = ContextVar("omninode_timeout_context", default=None)


def innermost() -> Around | None:
    """The innermost one around this that has not been left: what was begun in a block may outlive it."""
    around = INNERMOST.get()
    while around is not None and around.is_over:
        around = around.parent
    return around


def deadline_left() -> float | None:
    """The seconds that may still be spent here, 0 at least; None where nothing limits them.

    It is the least of what the running task's deadline and the enclosing timeout contexts leave. Pass it on
    to whatever is waited for: `httpx.get(url, timeout=deadline_left())`.
    """
    of_task, around = deadline.left_of_task(), innermost()
    if around is None:
        return of_task
    of_context = max(0.0, around.ends_at - around.clock())
    return of_context if of_task is None else min(of_task, of_context)


def within(seconds: float) -> float:
    """That length of time, or what is left here where that is less."""
    left_seconds = deadline_left()
    return seconds if left_seconds is None else min(seconds, left_seconds)
