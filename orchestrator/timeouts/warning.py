"""Calls whoever wants to be told that an operation's time is nearly over; what that does changes nothing."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from orchestrator import logger, redaction

_LOG = logger.get(__name__)

# Called with the context; what it returns is awaited if it can be.
OnWarning = Callable[[Any], object]

# The event loop itself holds a task only weakly.
_under_way: set[asyncio.Future[Any]] = set()


def call_here(callback: OnWarning, context: Any) -> None:
    """Call it in the event loop's thread; what it returns is scheduled where it can be awaited."""
    try:
        result = callback(context)
        if inspect.isawaitable(result):
            scheduled = asyncio.ensure_future(result)
            _under_way.add(scheduled)
            scheduled.add_done_callback(lambda done: _ended(done, context.name))
    except Exception as error:
        _say(context.name, error)


def call_beside(callback: OnWarning, context: Any) -> None:
    """Call it in a thread of its own: it may take its time, and other operations' limits must not wait."""

    def call() -> None:
        try:
            result = callback(context)
            if inspect.isawaitable(result):
                asyncio.run(_awaited(result))
        except Exception as error:
            _say(context.name, error)

    threading.Thread(target=call, name="omninode-timeout-warning", daemon=True).start()


async def _awaited(result: Awaitable[Any]) -> None:
    await result


def _ended(scheduled: asyncio.Future[Any], operation: str) -> None:
    _under_way.discard(scheduled)
    if not scheduled.cancelled() and (error := scheduled.exception()) is not None:
        _say(operation, error)


def _say(operation: str, error: BaseException) -> None:
    words = redaction.text(f"{type(error).__name__}: {error}")
    _LOG.tell("warning", "warning_callback_failed", operation=operation, error=words)
