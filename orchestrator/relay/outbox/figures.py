"""How much waits, and for how long: looked up about once a second, as far as the servers answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from orchestrator.relay.outbox.stream import Stream
from orchestrator.relay.overflow.refuge import Refuge

_EVERY_SECONDS = 1.0
# Counting a million rows takes a while: no more than this part of the time is spent on it.
_SHARE = 0.02


class Figures:
    """`length` of the stream and its oldest entry's age, and how many rows the overflow has."""

    def __init__(self, stream: Stream, refuge: Refuge, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._refuge = refuge
        self._clock = clock
        self._due_at = self._count_at = 0.0
        self._oldest_ms: int | None = None
        self._rows: int | None = None
        self.length = 0

    def refresh(self) -> None:
        """Look, if that was not done a moment ago."""
        now = self._clock()
        if now >= self._due_at:
            self._due_at = now + _EVERY_SECONDS
            self.length, self._oldest_ms = self._stream.length(), self._stream.oldest_ms()
        if now >= self._count_at:
            self._rows = self._refuge.count()
            took = self._clock() - now
            self._count_at = now + max(_EVERY_SECONDS, took / _SHARE)

    def state(self) -> dict[str, Any]:
        """`overflow` is None while PostgreSQL is away."""
        age = 0.0 if self._oldest_ms is None else max(0.0, time.time() - self._oldest_ms / 1000)
        return {"outbox": self.length, "oldest_seconds": round(age, 3), "overflow": self._rows}
