"""One dependency's retry budget as this process sees it: when the next retry may be made."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal

Kind = Literal["first", "retry", "delayed"]
Counts = Mapping[tuple[Kind, int], int]

SLOT_SECONDS = 10.0
SLOTS_A_MINUTE = 6
# So many slots are touched by sixty seconds that begin within one of them.
_TOUCHED = SLOTS_A_MINUTE + 1
# Nothing is put off for longer: a breaker is what protects a dependency that is down, not the budget.
LONGEST_SECONDS = 600.0
# For how long a search goes on where the last one has ended.
_SEARCH_AGAIN_SECONDS = 1.0
# What is counted of a slot that is over for so long is nobody's business any more.
_KEPT_SLOTS = 2 * SLOTS_A_MINUTE


@dataclass(frozen=True, slots=True)
class Terms:
    """In no sixty seconds more retries than `share` of a minute's first attempts, and `floor` more."""

    share: float
    floor: int

    def allowed(self, first_attempts: int) -> float:
        """How many retries a minute that makes; the small part keeps 5 * 0.2 from being less than 1."""
        return self.floor + self.share * first_attempts + 1e-9


@dataclass(frozen=True, slots=True)
class Fleet:
    """What all processes have counted, by the last reading, and which of them this one is."""

    counts: Counts = field(default_factory=dict)
    processes: int = 1
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """When a retry is made, and whether that is later than it asked for."""

    at: float
    is_delayed: bool = False


def slot_of(at: float) -> int:
    """The ten seconds in which a moment lies."""
    return math.floor(at / SLOT_SECONDS)


class Plan:
    """Counts of first attempts, and the slots in which retries are due, the fleet's and this process's own.

    Times are seconds of the clock that the fleet shares. Between two readings a process gives away its own
    part of what was free at the last one, so that all of them together give away no more than there was.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._fleet = Fleet()
        self._own: Counter[tuple[Kind, int]] = Counter()
        self._sent: Counter[tuple[Kind, int]] = Counter()
        self._search_from, self._search_until = 0, 0.0

    def note_first(self, now: float) -> None:
        """A first attempt was made."""
        self._own["first", slot_of(now)] += 1

    def place(self, now: float, due: float, random: Random) -> Place:
        """When a retry that asks to be made at `due` is made; it is counted there.

        One that asks for more than ten minutes is left alone: whoever waits so long does not storm.
        """
        if due > now + LONGEST_SECONDS:
            return Place(due)
        minute = slot_of(now)
        if self._has_room(slot_of(due), minute):
            self._own["retry", slot_of(due)] += 1
            return Place(due)
        at = self._later(now, due, random)
        self._own["retry", slot_of(at)] += 1
        self._own["delayed", minute] += 1
        return Place(at, is_delayed=True)

    # -- what goes to the fleet and comes from it

    def take(self) -> dict[tuple[Kind, int], int]:
        """What is to be told; it counts as this process's own until `learn` or `keep`."""
        self._sent, self._own = self._own, Counter()
        return dict(self._sent)

    def learn(self, fleet: Fleet) -> None:
        """What was taken has been told, and this is what the fleet has counted, all of it included."""
        self._fleet = fleet
        self._sent = Counter()
        self._search_until = 0.0

    def keep(self, now: float) -> None:
        """What was taken could not be told: it is told next time, as far as it still matters."""
        oldest = slot_of(now) - _KEPT_SLOTS
        together = self._own + self._sent
        self._own = Counter({key: count for key, count in together.items() if key[1] >= oldest})
        self._sent = Counter()

    def shift(self, slots: int) -> None:
        """The clock turned out to be wrong by so much."""
        self._own = Counter({(kind, slot + slots): count for (kind, slot), count in self._own.items()})
        self._sent = Counter({(kind, slot + slots): count for (kind, slot), count in self._sent.items()})

    # -- the decision

    def _later(self, now: float, due: float, random: Random) -> float:
        """A random moment of the next slot that is free at the budget's even rate."""
        latest = now + LONGEST_SECONDS
        minute = slot_of(now)
        each = max(1, math.ceil(self._allowed(minute) / _TOUCHED))
        slot = slot_of(due)
        if now < self._search_until:
            slot = max(slot, self._search_from)
        else:
            self._search_until = now + _SEARCH_AGAIN_SECONDS
        while slot < slot_of(latest):
            if self._due_in(slot) < each and self._has_room(slot, minute):
                self._search_from = slot
                return random.uniform(max(due, slot * SLOT_SECONDS), (slot + 1) * SLOT_SECONDS - 0.001)
            slot += 1
        self._search_from = slot
        # Ten minutes are full: what comes on top is spread over all but the first of them.
        return max(due, random.uniform(now + SLOTS_A_MINUTE * SLOT_SECONDS, latest))

    def _has_room(self, slot: int, minute: int) -> bool:
        """Whether one more retry in this slot leaves every sixty seconds around it within the budget."""
        around = range(slot - SLOTS_A_MINUTE, slot + _TOUCHED)
        fleets = [self._fleet.counts.get(("retry", each), 0) for each in around]
        own = [self._own["retry", each] + self._sent["retry", each] for each in around]
        free = self._terms.allowed(self._first(self._fleet.counts, minute))
        more = self._terms.share * (self._first(self._own, minute) + self._first(self._sent, minute))
        return all(
            sum(own[begin : begin + _TOUCHED]) + 1
            <= self._part(free - sum(fleets[begin : begin + _TOUCHED]), slot) + more
            for begin in range(_TOUCHED)
        )

    def _part(self, free: float, slot: int) -> float:
        """What of the free places is this process's; what cannot be divided goes round from slot to slot."""
        processes = self._fleet.processes
        if processes == 1 or free <= 0:
            return free
        whole, rest = divmod(int(free), processes)
        return whole + ((self._fleet.rank + slot) % processes < rest)

    def _allowed(self, minute: int) -> float:
        counts = (self._fleet.counts, self._own, self._sent)
        return self._terms.allowed(sum(self._first(each, minute) for each in counts))

    def _due_in(self, slot: int) -> int:
        key: tuple[Kind, int] = ("retry", slot)
        return self._fleet.counts.get(key, 0) + self._own[key] + self._sent[key]

    @staticmethod
    def _first(counts: Counts, minute: int) -> int:
        return sum(counts.get(("first", minute - back), 0) for back in range(SLOTS_A_MINUTE))
