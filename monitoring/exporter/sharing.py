"""One answer for all who ask at the same time: found out in a thread, and good for a moment."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """What is found out in a thread of its own; never twice at the same time, however many ask.

    An answer serves whoever asks within `fresh_seconds` after it. One that takes longer than somebody waits
    is not begun again beside itself: it serves those who ask when it is there. Of one event loop.
    """

    def __init__(self, fresh_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._found: asyncio.Future[T] | None = None
        self._ended_at = 0.0

    async def get(self, find: Callable[[], T], within_seconds: float) -> T:
        """The answer; `find` is called for it, unless there is one, or is about to be.

        Raises:
            TimeoutError: it is not there in time.
            Exception: what `find` has raised.
        """
        if self._found is None or self._is_stale(self._found):
            self._found = self._begin(find)
        # Shielded: whoever waits no longer takes it from nobody else.
        return await asyncio.wait_for(asyncio.shield(self._found), within_seconds)

    def _is_stale(self, found: asyncio.Future[T]) -> bool:
        return found.done() and self._clock() - self._ended_at >= self._fresh_seconds

    def _begin(self, find: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        found: asyncio.Future[T] = loop.create_future()
        # That nobody waited for an error is no news.
        found.add_done_callback(lambda future: future.cancelled() or future.exception())

        def end(tell: Callable[[], None]) -> None:
            self._ended_at = self._clock()
            tell()

        def run() -> None:
            try:
                tell = partial(found.set_result, find())
            except Exception as error:
                tell = partial(found.set_exception, error)
            # The loop may have ended meanwhile, and with it whoever has asked.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(end, tell)

        # A daemon: one that waits for a server that hangs keeps no process alive.
        threading.Thread(target=run, name="omninode-exporter", daemon=True).start()
        return found
