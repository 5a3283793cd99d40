"""Whether more comes into the outbox than goes out: it is above its mark, and does not fall."""

from __future__ import annotations

import math
from collections.abc import Callable

_PATIENCE_SECONDS = 10.0


class Tide:
    """Is told how long the outbox is, about once a second."""

    def __init__(self, mark: int, clock: Callable[[], float]) -> None:
        self._mark = mark
        self._clock = clock
        self._lowest, self._since = math.inf, clock()
        self._is_high = False

    def is_high(self, length: int) -> bool:
        """Whether it has not fallen for ten seconds above the mark; so it stays until it is below."""
        now = self._clock()
        if length <= self._mark:
            self._lowest = math.inf
        elif length < self._lowest:
            self._lowest, self._since = length, now
        self._is_high = length > self._mark and (self._is_high or now - self._since >= _PATIENCE_SECONDS)
        return self._is_high
