"""Topics, each with what waits for it: one that takes nothing for now holds up no other."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from orchestrator.relay.entry import Entry

_LATER_BASE_SECONDS, _LATER_MOST_SECONDS = 0.2, 10.0
_CLOSED_BASE_SECONDS, _CLOSED_MOST_SECONDS = 5.0, 300.0


def closed_seconds(refusals: int) -> float:
    """How long to leave alone what was refused that often."""
    return float(min(_CLOSED_BASE_SECONDS * 2.0 ** min(max(refusals - 1, 0), 30), _CLOSED_MOST_SECONDS))


@dataclass
class Lane:
    """One topic: why it takes nothing, until when it is left alone, and what waits for it."""

    error: str = ""
    failures: int = 0
    opens_at: float = 0.0
    is_refusing: bool = False
    waiting: list[Entry] = field(default_factory=list)

    def postpone(self, error: str, now: float, *, is_refusing: bool = False) -> None:
        """Leave it alone for a while, longer each time; the failures of one while count once."""
        if now < self.opens_at and is_refusing <= self.is_refusing:
            return
        self.failures += 1
        self.error, self.is_refusing = error, is_refusing
        later = min(_LATER_BASE_SECONDS * 2.0 ** min(self.failures - 1, 30), _LATER_MOST_SECONDS)
        self.opens_at = now + (closed_seconds(self.failures) if is_refusing else later)


class Lanes:
    """All topics that have something waiting, or an error."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    def of(self, topic: str) -> Lane:
        """The topic's lane."""
        return self._lanes.setdefault(topic, Lane())

    def took(self, topic: str) -> None:
        """The topic has taken a record: all is well with it."""
        lane = self._lanes.get(topic)
        if lane is not None:
            lane.error, lane.failures, lane.opens_at, lane.is_refusing = "", 0, 0.0, False
            if not lane.waiting:
                del self._lanes[topic]

    def shut(self, now: float) -> list[str]:
        """The topics that are left alone now."""
        return [topic for topic, lane in self._lanes.items() if lane.opens_at > now]

    def due(self, now: float, besides: Container[str] = ()) -> list[Entry]:
        """What waits for topics that can be tried again, but not for those; it no longer waits."""
        found = []
        for topic, lane in self._lanes.items():
            if lane.opens_at <= now and topic not in besides:
                found += lane.waiting
                lane.waiting = []
        return sorted(found, key=lambda entry: entry.order)

    def take_all(self) -> list[Entry]:
        """Everything that waits, the oldest first; it no longer waits."""
        found = list(self.waiting())
        for lane in self._lanes.values():
            lane.waiting = []
        return sorted(found, key=lambda entry: entry.order)

    def waiting(self) -> Iterator[Entry]:
        """Everything that waits."""
        return (entry for lane in self._lanes.values() for entry in lane.waiting)

    def errors(self) -> dict[str, str]:
        """What topics say that take nothing."""
        return {topic: lane.error for topic, lane in self._lanes.items() if lane.error}

    def opens_in(self, now: float) -> float | None:
        """Seconds until something that waits can be tried again; None where nothing waits."""
        moments = [lane.opens_at for lane in self._lanes.values() if lane.waiting]
        return max(0.0, min(moments) - now) if moments else None
