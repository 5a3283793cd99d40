"""Which rows of the overflow are sent when: all that are due, before anything that is still in Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from orchestrator.relay.entry import Entry
from orchestrator.relay.overflow.refuge import Refuge

_AT_ONCE, _MOST_FLYING = 500, 1500
# While Kafka takes nothing, these see whether it does.
_PROBE = 50
_LOOK_SOON_SECONDS, _LOOK_AGAIN_SECONDS = 0.2, 1.0


class Draining:
    """Claims rows. `is_on` while there may be more that are due."""

    def __init__(self, refuge: Refuge, lease_seconds: float, clock: Callable[[], float]) -> None:
        self._refuge = refuge
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._looks_at = 0.0
        self.is_on = False

    def look(self) -> None:
        """There are rows."""
        self.is_on, self._looks_at = True, 0.0

    def claim(self, flying: int, shut: Iterable[str], *, is_stalled: bool) -> list[Entry]:
        """Rows to send now, while so many are under way and these topics take nothing."""
        now = self._clock()
        if now < self._looks_at or flying > (0 if is_stalled else _MOST_FLYING - _AT_ONCE):
            return []
        rows = self._refuge.claim(_PROBE if is_stalled else _AT_ONCE, self._lease_seconds, shut)
        # What could not be sent a moment ago still comes first.
        self.is_on = bool(rows) or (self.is_on and is_stalled and not self._refuge.error)
        if not rows:
            self._looks_at = now + (_LOOK_SOON_SECONDS if self.is_on else _LOOK_AGAIN_SECONDS)
        return rows
