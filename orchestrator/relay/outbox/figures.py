"""How much waits, and for how long: looked up about once a second, as far as the servers answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.relay.outbox.backlog import Outbox
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
        self._due_at = self._count_at = self._looked_at = 0.0
        self._outbox = Outbox(0, 0.0)
        self._rows: int | None = None

    @property
    def length(self) -> int:
        """How many entries the stream had a moment ago."""
        return self._outbox.length

    def refresh(self) -> None:
        """Look, if that was not done a moment ago."""
        now = self._clock()
        if now >= self._due_at:
            self._due_at = now + _EVERY_SECONDS
            self._outbox, self._looked_at = self._stream.measure(), now
        if now >= self._count_at:
            self._rows = self._refuge.count()
            took = self._clock() - now
            self._count_at = now + max(_EVERY_SECONDS, took / _SHARE)

    def state(self) -> dict[str, Any]:
        """`overflow` is None while PostgreSQL is away."""
        # It goes on waiting while Redis is away.
        since = self._clock() - self._looked_at if self.length else 0.0
        age = self._outbox.oldest_seconds + since
        return {"outbox": self.length, "oldest_seconds": round(age, 3), "overflow": self._rows}
