"""Counts what takes the server long to count only so often that it spends a small part of its time on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar, cast

T = TypeVar("T")

_SHARE = 0.02


class Sparing:
    """Counts of one process, by key; `clock` gives seconds that only grow. Any thread may ask."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[object, tuple[object, float]] = {}

    def count(self, key: object, counts: Callable[[], T]) -> T:
        """What `counts` finds, or has found for this key a while ago: fifty times as long as it took."""
        kept = self._kept.get(key)
        began = self._clock()
        if kept is not None and began < kept[1]:
            # What is kept under a key is of one kind.
            return cast("T", kept[0])
        found = counts()
        ended = self._clock()
        self._kept = {each: of for each, of in self._kept.items() if of[1] > ended}
        self._kept[key] = (found, ended + (ended - began) / _SHARE)
        return found
