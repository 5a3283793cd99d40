"""How much time is left here: to the task's deadline, and to the end of the timeout contexts around this."""

from __future__ import annotations

import time
from contextvars import ContextVar

from orchestrator.timeouts import deadline

# By the monotonic clock: when the innermost timeout context around this ends, or one that encloses it,
# whichever is earlier. `TimeoutManager` sets it.
CONTEXT_ENDS_AT: ContextVar[float | None] = ContextVar("omninode_context_ends_at", default=None)


def deadline_left() -> float | None:
    """The seconds that may still be spent here, 0 at least; None where nothing limits them.

    It is the least of what the running task's deadline and the enclosing timeout contexts leave. Pass it on
    to whatever is waited for: `httpx.get(url, timeout=deadline_left())`.
    """
    of_task, ends_at = deadline.left_of_task(), CONTEXT_ENDS_AT.get()
    if ends_at is None:
        return of_task
    of_context = max(0.0, ends_at - time.monotonic())
    return of_context if of_task is None else min(of_task, of_context)


def within(seconds: float) -> float:
    """That length of time, or what is left here where that is less."""
    left_seconds = deadline_left()
    return seconds if left_seconds is None else min(seconds, left_seconds)
