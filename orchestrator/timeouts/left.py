"""How much time is left here: to the task's deadline, and to the limits of the contexts around this."""

from __future__ import annotations

import math
from contextvars import ContextVar
from typing import Protocol

from orchestrator.timeouts import deadline


class Around(Protocol):
    """A timeout context: its time is over at `limit_at`, and it is stopped at `ends_at`, by its clock.

    It ends no later than those around it.
    """

    limit_at: float
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

    It is the least of what the running task's deadline and the enclosing timeout contexts leave: each of
    these to its limit, and once that has passed to the end of its grace period. Pass it on to whatever is
    waited for: `httpx.get(url, timeout=deadline_left())`.
    """
    of_task, around = deadline.left_of_task(), innermost()
    if around is None:
        return of_task
    of_contexts = _to_limits(around)
    return of_contexts if of_task is None else min(of_task, of_contexts)


def end_left() -> float | None:
    """As `deadline_left`, but with the grace periods: the seconds until what is done here is stopped."""
    of_task, around = deadline.left_of_task(), innermost()
    if around is None:
        return of_task
    of_contexts = max(0.0, around.ends_at - around.clock())
    return of_contexts if of_task is None else min(of_task, of_contexts)


def within(seconds: float) -> float:
    """That length of time, or what is left here where that is less."""
    left_seconds = deadline_left()
    return seconds if left_seconds is None else min(seconds, left_seconds)


def _to_limits(innermost_one: Around) -> float:
    least = math.inf
    around: Around | None = innermost_one
    while around is not None:
        if not around.is_over:
            now = around.clock()
            least = min(least, (around.limit_at if now < around.limit_at else around.ends_at) - now)
        around = around.parent
    return max(0.0, least)
