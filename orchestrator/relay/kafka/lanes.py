"""Topics, each with what waits for it: one that takes nothing for now holds up no other."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from orchestrator.relay.entry import Entry
from orchestrator.relay.overflow.refuge import closed_seconds
from orchestrator.retry.backoff import ceiling_seconds

_LATER_BASE_SECONDS, _LATER_MOST_SECONDS = 0.2, 10.0


@dataclass
class Lane:
    """One topic: why it takes nothing, until when it is left in peace, and what waits for it.

    What is to be sent `alone` goes first, one at a time, with nothing else of its topic under way.
    """

    error: str = ""
    failures: int = 0
    opens_at: float = 0.0
    is_refusing: bool = False
    waiting: list[Entry] = field(default_factory=list)
    alone: deque[Entry] = field(default_factory=deque)

    def add(self, entry: Entry) -> None:
        """Let it wait."""
        (self.alone if entry.alone else self.waiting).append(entry)

    def take(self) -> list[Entry]:
        """Everything that waits; it no longer waits."""
        found = [*self.alone, *self.waiting]
        self.alone, self.waiting = deque(), []
        return found

    def postpone(self, error: str, now: float, *, is_refusing: bool = False) -> None:
        """Leave it in peace for a while, longer each time; the failures of one while count once."""
        if now < self.opens_at and is_refusing <= self.is_refusing:
            return
        self.failures += 1
        self.error, self.is_refusing = error, is_refusing
        later = ceiling_seconds(self.failures - 1, _LATER_BASE_SECONDS, _LATER_MOST_SECONDS)
        self.opens_at = now + (closed_seconds(self.failures) if is_refusing else later)


class Lanes:
    """All topics that have something waiting, or an error."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    def __len__(self) -> int:
        return len(self._lanes)

    def of(self, topic: str) -> Lane:
        """The topic's lane."""
        return self._lanes.setdefault(topic, Lane())

    def took(self, topic: str) -> None:
        """The topic has taken a record: all is well with it."""
        lane = self._lanes.get(topic)
        if lane is not None:
            lane.error, lane.failures, lane.opens_at, lane.is_refusing = "", 0, 0.0, False
            if not lane.waiting and not lane.alone:
                del self._lanes[topic]

    def shut(self, now: float) -> list[str]:
        """The topics for which everything has to wait now, behind what waits already."""
        return [
            topic for topic, lane in self._lanes.items() if lane.opens_at > now or lane.alone or lane.waiting
        ]

    def due(self, now: float, under_way: Container[str]) -> list[Entry]:
        """What can be sent now; it no longer waits."""
        found: list[Entry] = []
        for topic, lane in self._lanes.items():
            if lane.opens_at > now:
                continue
            if not lane.alone:
                found += lane.take()
            elif topic not in under_way:
                found.append(lane.alone.popleft())
        return sorted(found, key=lambda entry: entry.order)

    def take_all(self) -> list[Entry]:
        """Everything that waits, the oldest first; it no longer waits."""
        found = [entry for lane in self._lanes.values() for entry in lane.take()]
        return sorted(found, key=lambda entry: entry.order)

    def waiting(self) -> Iterator[Entry]:
        """Everything that waits."""
        return (entry for lane in self._lanes.values() for entry in (*lane.alone, *lane.waiting))

    def errors(self) -> dict[str, str]:
        """What topics say that take nothing."""
        return {topic: lane.error for topic, lane in self._lanes.items() if lane.error}
