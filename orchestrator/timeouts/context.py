"""A timeout context, for `async with`; and, by what it is derived from, for `with`."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from orchestrator.timeouts import telling, warning
from orchestrator.timeouts.blocking import Blocking
from orchestrator.timeouts.warning import OnWarning


class Context(Blocking):
    """Limits the time of what is done in a block; made by `TimeoutManager.timeout_context`.

    At its limit nothing happens to what is done but that its grace period begins; at the end of that it is
    told to stop, and again every second while it does not. In `async with` it is cancelled; in `with` the
    error is raised in it, as soon as Python code runs: what waits in a call of C, in another thread than the
    main one, is not interrupted, and raises when that returns. Do not `await` in a `with`.

    `name`, `limit_seconds`, `elapsed_seconds`, `left_seconds` (to the limit) and `state` ("running", "grace",
    "stopping") say how it is; `outcome` ("completed", "failed", "cancelled") how it ended.

    Raises:
        TimeoutExceeded: its time was over, or that of what it is part of; it names which. Also where what is
            done has ended by itself, but too late. Where a block is left by `CancelledError` and its
            task was cancelled from outside, that stays what it is.
    """

    __slots__ = ("_cancelling", "_cancels", "_timer")

    async def __aenter__(self) -> Self:
        """Begin."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a timeout context needs a task of asyncio around it")
        loop = task.get_loop()
        due = self.begin(loop.time, task)
        self._cancels = 0
        self._cancelling = task.cancelling()
        # Before it is entered: what a timer calls is no part of what is done.
        self._timer = loop.call_at(due, self._on_timer)
        self.enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._timer.cancel()
        now = self.clock()
        self.leave()
        if self._cancels:
            self._take_back()
        elif now < self.ends_at:
            telling.ended(self, error, now)
            return
        is_cancelled = isinstance(error, asyncio.CancelledError)
        self.end_late(error, now, is_its_own=not (is_cancelled and self._is_cancelled_from_outside()))

    def strike(self) -> bool:
        """Tell it to stop."""
        if not isinstance(self.flow, asyncio.Task):
            return super().strike()
        if self.flow.done():
            # It was entered in a task of its own, as in a fixture or in a generator that is not used any
            # more: whoever still leaves it is told then.
            self.leave()
            return True
        self._cancels += 1
        self.flow.cancel()
        return True

    def call_back(self, callback: OnWarning) -> None:
        """Call it where it can be awaited, or in a thread of its own."""
        (warning.call_here if isinstance(self.flow, asyncio.Task) else warning.call_beside)(callback, self)

    def _on_timer(self) -> None:
        due = self.advance()
        if due is not None:
            self._timer = self.flow.get_loop().call_at(due, self._on_timer)

    def _take_back(self) -> None:
        for _ in range(self._cancels):
            self.flow.uncancel()

    def _is_cancelled_from_outside(self) -> bool:
        """Whether its task was cancelled more often than by this context and those around it."""
        ours = 0
        around = self.parent
        while around is not None:
            if isinstance(around, Context) and around.flow is self.flow and not around.is_over:
                ours += around._cancels  # noqa: SLF001 (of the same class)
            around = around.parent
        return bool(self.flow.cancelling() - ours > self._cancelling)
