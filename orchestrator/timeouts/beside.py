"""Calls a function for asynchronous code: one that blocks, in a thread that is told when its time is over."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any

from orchestrator.errors import InvalidTimeout
from orchestrator.timeouts import interrupts, telling
from orchestrator.timeouts.course import AGAIN_SECONDS
from orchestrator.timeouts.operation import Operation
from orchestrator.timeouts.running import Running, table
from orchestrator.timeouts.watchdog import watchdog

# Until a thread that was just made has begun.
_SOON_SECONDS = 0.01


def check(func: Any, name: Any) -> None:
    """Hold what is to be called against what can be.

    Raises:
        InvalidTimeout: it is no function; a coroutine is closed, which nobody else could wait for.
    """
    if callable(func):
        return
    given = type(func).__name__
    if inspect.iscoroutine(func):
        given = f"what {func.__name__}(…) returned"
        func.close()
    raise InvalidTimeout(
        f"the operation {name!r:.80} needs a function and its arguments, not {given}: "
        f"timeout_operation(func, {name!r:.80}, seconds, *args)"
    )


async def called(
    context: Operation, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """What it returns; where that can be awaited, what comes of it."""
    if _is_async(func):
        return await func(*args, **kwargs)
    result = await Call(context, partial(copy_context().run, func, *args, **kwargs)).result()
    return await result if inspect.isawaitable(result) else result


def _is_async(func: Any) -> bool:
    while isinstance(func, partial):
        func = func.func
    return inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(getattr(func, "__call__", None))  # noqa: B004


class Call:
    """One call in a thread of its own, which nobody has to wait for: it ends when it ends."""

    is_rung = False
    is_wanted = False

    def __init__(self, context: Operation, func: Callable[[], Any]) -> None:
        self._context = context
        self._func = func
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[Any] = self._loop.create_future()
        self._times_told = 0
        self.entry: Running | None = None
        self.flow = 0
        self.is_over = False
        self.ends_at = context.ends_at
        self.clock = time.monotonic

    async def result(self) -> Any:
        """What it returns or raises; where the waiting is cancelled, it is told to stop."""
        name = f"omninode-operation-{self._context.name}"
        threading.Thread(target=self._run, name=name, daemon=True).start()
        try:
            return await self._future
        except asyncio.CancelledError:
            self._abandon()
            raise

    def advance(self) -> float | None:
        """Tell it to stop, now and again."""
        if self.is_over:
            return None
        if not self.flow:
            return self.clock() + _SOON_SECONDS
        self._times_told += 1
        if self._times_told == 2:  # noqa: PLR2004 (once)
            telling.ignored(self._context.name, self._context.elapsed_seconds)
        interrupts.strike(self)
        return self.clock() + AGAIN_SECONDS

    def exceeded(self) -> BaseException:
        """What is raised in it."""
        is_timed_out = self._context.state == "stopping"
        return self._context.exceeded() if is_timed_out else asyncio.CancelledError()

    def _abandon(self) -> None:
        context = self._context
        self.entry = Running(
            kind="operation",
            name=context.name,
            began=context.began,
            started_at=context.started_at,
            limit_at=context.limit_at,
            ends_at=context.ends_at,
            deadline=context.deadline,
            task_id=context.task_id,
            pid=os.getpid(),
            state="stopping",
            was_warned=context.was_warned,
        )
        table.enter(self.entry)
        if self.is_over:
            # It ended meanwhile, and may not have seen the entry.
            table.leave(self.entry)
        watchdog.watch(self, self.clock())

    def _run(self) -> None:
        self.flow = threading.get_ident()
        try:
            settle = self._called()
        except BaseException as error:
            # It was told to stop just as it ended.
            settle = partial(self._fail, error)
            interrupts.withdraw(self)
        if self.entry is not None:
            table.leave(self.entry)
        # A loop that is closed waits for nothing.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(settle)

    def _called(self) -> Callable[[], None]:
        try:
            result = self._func()
        except BaseException as error:
            settle = partial(self._fail, error)
        else:
            settle = partial(self._succeed, result)
        interrupts.withdraw(self)
        return settle

    def _succeed(self, result: Any) -> None:
        if not self._future.done():
            self._future.set_result(result)

    def _fail(self, error: BaseException) -> None:
        if self._future.done():
            return
        if isinstance(error, StopIteration):
            # A future cannot hold one.
            refused = RuntimeError("the function raised StopIteration")
            refused.__cause__ = error
            error = refused
        self._future.set_exception(error)
