"""Tries a call again with exponential backoff, for code that is no task.

These are our own few lines, because neither library does all of it: stamina (26.1) adds its jitter on top of
the pause, which keeps a crowd together; tenacity (9.2) has full jitter, but both know a `Retry-After` only as
a pause instead of the backoff, not as the longer one of both; and what an error means here (`PermanentError`,
an HTTP 404, an open circuit, Celery's own signals) would have to be told to them at each place of use.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded
from celery.exceptions import TaskPredicate

from orchestrator.errors import BreakerOpen, Wait
from orchestrator.retry.backoff import delay_seconds
from orchestrator.retry.healing import can_heal, retry_after_seconds

_RANDOM = Random()  # noqa: S311 (jitter is no secret)
# Said by Celery or by us, not by what was called.
_SIGNALS = (TaskPredicate, Wait, SoftTimeLimitExceeded)

Kinds = type[BaseException] | tuple[type[BaseException], ...]


def retry_with_backoff(
    operation: Callable[..., Any],
    *args: Any,
    max_retries: int = 3,
    base_seconds: float = 1.0,
    cap_seconds: float = 30.0,
    retry_on: Kinds = Exception,
    random: Random = _RANDOM,
    **kwargs: Any,
) -> Any:
    """Call `operation(*args, **kwargs)`, and again at most `max_retries` times while it fails of `retry_on`.

    Returns what it returns; where that is awaitable, an awaitable which tries again when it is awaited, and
    which can be cancelled at any moment. Between two calls it waits for the backoff with full jitter, or for
    what the other side asked for, whichever is longer; for an open circuit, until it may be tried. What
    cannot heal is raised at once (a `PermanentError`, an HTTP 4xx but 408, 425 and 429), and so is the last
    error. An operation that has an argument of one of these names is wrapped in `functools.partial`.
    """
    retries = _Retries(max_retries, base_seconds, cap_seconds, retry_on, random)

    def call() -> Any:
        return operation(*args, **kwargs)

    if inspect.iscoroutinefunction(operation):
        return _awaited(call, retries)
    while True:
        try:
            returned = call()
            break
        except Exception as error:
            pause_seconds = retries.pause_seconds(error)
            if pause_seconds is None:
                raise
        time.sleep(pause_seconds)
    return _awaited(call, retries, returned) if inspect.isawaitable(returned) else returned


async def _awaited(
    call: Callable[[], Awaitable[Any]], retries: _Retries, first: Awaitable[Any] | None = None
) -> Any:
    under_way = first
    while True:
        try:
            return await (call() if under_way is None else under_way)
        except Exception as error:
            pause_seconds = retries.pause_seconds(error)
            if pause_seconds is None:
                raise
        under_way = None
        await asyncio.sleep(pause_seconds)


class _Retries:
    """How many retries are left, and how long to wait for the next one."""

    def __init__(
        self, most: int, base_seconds: float, cap_seconds: float, retry_on: Kinds, random: Random
    ) -> None:
        self._most = most
        self._seconds = base_seconds, cap_seconds
        self._retry_on = retry_on
        self._random = random
        self._made = 0

    def pause_seconds(self, error: Exception) -> float | None:
        """None: the error is raised."""
        if self._made >= self._most or not self._is_worth_it(error):
            return None
        backoff = delay_seconds(self._made, *self._seconds, self._random)
        self._made += 1
        return max(backoff, retry_after_seconds(error, datetime.now(UTC)) or 0.0)

    def _is_worth_it(self, error: Exception) -> bool:
        if isinstance(error, BreakerOpen):
            return True
        return isinstance(error, self._retry_on) and not isinstance(error, _SIGNALS) and can_heal(error)
