"""Ctrl-C, SIGTERM and a closed terminal: the first unwinds what is done, a later one hurries the end."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# `make` and a terminal may both pass one Ctrl-C on: two that close together are one.
_SAME_SECONDS = 0.3


class Interrupted(KeyboardInterrupt):
    """Somebody has asked this process to stop."""


class Interrupts:
    """Within its `with` block, a signal raises `Interrupted`; once the end has begun, it sets `insisted`.

    Outside of a block, and in a thread other than the main one, signals do what they did before.
    """

    def __init__(self) -> None:
        self.insisted = False
        self._ending_since: float | None = None
        self._before: dict[signal.Signals, Any] = {}

    def begin_end(self) -> None:
        """From now on nothing is raised."""
        if self._ending_since is None:
            self._ending_since = time.monotonic()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                # `nohup` has this one ignored; a script has Ctrl-C ignored for what it runs with `&`.
                if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                    continue
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._ending_since is None:
            self._ending_since = now
            raise Interrupted(signal.Signals(number).name)
        if now - self._ending_since > _SAME_SECONDS:
            self.insisted = True
