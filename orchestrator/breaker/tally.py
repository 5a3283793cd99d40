"""Counts the calls of one epoch that ended well, without a lock: threads only ever take the next number."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count


class Tally:
    """The calls of one `epoch` of a breaker in this process.

    `ok()` counts a call that ended well, `slow()` one that was slow; both are one step of the interpreter.
    `slow_seconds` is from which duration on a call is slow, None: nobody asks.
    """

    __slots__ = ("_told", "_told_slow", "epoch", "ok", "slow", "slow_seconds")

    def __init__(self, epoch: int, slow_seconds: float | None = None) -> None:
        self.epoch = epoch
        self.slow_seconds = slow_seconds
        self.ok: Callable[[], int] = count().__next__
        self.slow: Callable[[], int] = count().__next__
        self._told = 0
        self._told_slow = 0

    def take(self) -> tuple[int, int]:
        """How many ended well since this was last asked, and how many were slow; one thread at a time."""
        # To read a counter counts too: what is told next time begins after this reading.
        seen, seen_slow = self.ok(), self.slow()
        taken = seen - self._told, seen_slow - self._told_slow
        self._told, self._told_slow = seen + 1, seen_slow + 1
        return taken
