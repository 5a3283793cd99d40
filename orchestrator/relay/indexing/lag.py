"""How far the index is behind the topics: in records, and for how long what is unread has been there."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

from orchestrator.index.offsets import Place

_MOST_LOOKS = 10_000


class Lag:
    """Is told where partitions end, and how far they have been read; other threads may read what it says."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # When there were first so many records, in all partitions together, that are not yet all read.
        self._looks: deque[tuple[float, int]] = deque(maxlen=_MOST_LOOKS)
        self.records: int | None = None
        self.seconds = 0.0

    def forget(self) -> None:
        """Begin anew: other partitions are read now."""
        self._looks.clear()
        self.records, self.seconds = None, 0.0

    def look(self, ends: Mapping[Place, int | None], read: Mapping[Place, int]) -> None:
        """Compare; an end is None as long as it is not known."""
        known = {place: end for place, end in ends.items() if end is not None}
        if len(known) < len(ends):
            self.records = None
            return
        unread = {place: max(0, end - read.get(place, 0)) for place, end in known.items()}
        self.records = sum(unread.values())
        end = sum(known.values())
        position, now = end - self.records, self._clock()
        if not self._looks or self._looks[-1][1] < end:
            self._looks.append((now, end))
        while self._looks and self._looks[0][1] <= position:
            self._looks.popleft()
        self.seconds = round(now - self._looks[0][0], 1) if self._looks else 0.0
