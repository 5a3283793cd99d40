"""Keeps a replay to its rate."""

from __future__ import annotations

from collections.abc import Callable


class Pace:
    """Keeps to a number of letters a second; a second's worth may come at once."""

    def __init__(self, rate: float | None, clock: Callable[[], float]) -> None:
        self._rate, self._clock = rate, clock
        self._due = clock()

    def most(self, otherwise: int) -> int:
        """How many may come at once."""
        return otherwise if self._rate is None else max(1, min(otherwise, int(self._rate)))

    def wait_seconds(self) -> float:
        """How long to wait before the next ones."""
        return max(0.0, self._due - self._clock())

    def count(self, letters: int) -> None:
        """So many went."""
        if self._rate is not None:
            self._due = max(self._due, self._clock()) + letters / self._rate
