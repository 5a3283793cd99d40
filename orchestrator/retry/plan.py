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
# 15 * 0.2 is a little less than 3, or more.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Terms:
    """In no sixty seconds more retries than `share` of a minute's first attempts, and `floor` more."""

    share: float
    floor: int

    def allowed(self, first_attempts: int) -> float:
        """How many retries a minute that makes."""
        return self.floor + self.share * first_attempts


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

    Times are seconds of the clock that the fleet shares. A process makes retries for its own first attempts
    and its part of the floor: so all of them together keep to the budget although none knows what the others
    have just done. What was planned before, by processes that are gone, is in what the fleet has counted.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._fleet = Fleet()
        # All that was counted here, and what of it the fleet has not heard yet.
        self._own: Counter[tuple[Kind, int]] = Counter()
        self._untold: Counter[tuple[Kind, int]] = Counter()
        self._sent: Counter[tuple[Kind, int]] = Counter()
        self._search_from, self._search_until = 0, 0.0

    def note_first(self, now: float) -> None:
        """A first attempt was made."""
        self._count("first", slot_of(now))

    def place(self, now: float, due: float, random: Random) -> Place:
        """When a retry that asks to be made at `due` is made; it is counted there.

        One that asks for more than ten minutes is left alone: whoever waits so long does not storm.
        """
        if due > now + LONGEST_SECONDS:
            return Place(due)
        this_slot = slot_of(now)
        if self._has_room(slot_of(due), this_slot):
            self._count("retry", slot_of(due))
            return Place(due)
        at = self._later(now, due, random)
        self._count("retry", slot_of(at))
        self._count("delayed", this_slot)
        return Place(at, is_delayed=True)

    # -- what goes to the fleet and comes from it

    def take(self) -> dict[tuple[Kind, int], int]:
        """What is to be told; it is under way until `learn` or `keep`."""
        self._sent, self._untold = self._untold, Counter()
        return dict(self._sent)

    def learn(self, fleet: Fleet, now: float) -> None:
        """What was taken has been told, and this is what the fleet has counted, all of it included."""
        self._fleet = fleet
        self._sent = Counter()
        self._search_until = 0.0
        self._own = _recent(self._own, now)

    def keep(self, now: float) -> None:
        """What was taken could not be told: it is told next time, as far as it still matters."""
        self._untold = _recent(self._untold + self._sent, now)
        self._sent = Counter()
        self._own = _recent(self._own, now)

    def shift(self, slots: int) -> None:
        """The clock turned out to be wrong by so much."""
        for counts in (self._own, self._untold, self._sent):
            moved = {(kind, slot + slots): count for (kind, slot), count in counts.items()}
            counts.clear()
            counts.update(moved)

    # -- the decision

    def _count(self, kind: Kind, slot: int) -> None:
        self._own[kind, slot] += 1
        self._untold[kind, slot] += 1

    def _later(self, now: float, due: float, random: Random) -> float:
        """A random moment of the next slot that is free at the budget's even rate."""
        latest = now + LONGEST_SECONDS
        this_slot = slot_of(now)
        even = self._terms.floor / self._fleet.processes + self._terms.share * _first(self._own, this_slot)
        most_a_slot = max(1, math.ceil(even / _TOUCHED))
        slot = slot_of(due)
        if now < self._search_until:
            slot = max(slot, self._search_from)
        else:
            self._search_until = now + _SEARCH_AGAIN_SECONDS
        while slot < slot_of(latest):
            if self._own["retry", slot] < most_a_slot and self._has_room(slot, this_slot):
                self._search_from = slot
                return random.uniform(max(due, slot * SLOT_SECONDS), (slot + 1) * SLOT_SECONDS - 0.001)
            slot += 1
        self._search_from = slot
        # Ten minutes are full: what comes on top is spread over all but the first of them.
        return max(due, random.uniform(now + SLOTS_A_MINUTE * SLOT_SECONDS, latest))

    def _has_room(self, slot: int, this_slot: int) -> bool:
        """Whether one more retry in this slot leaves every sixty seconds around it within the budget."""
        around = range(slot - SLOTS_A_MINUTE, slot + _TOUCHED)
        own = [self._own["retry", each] for each in around]
        everybody = [self._everybody("retry", each) for each in around]
        for_own = self._terms.share * _first(self._own, this_slot) + _ROUNDING
        firsts = sum(self._everybody("first", this_slot - back) for back in range(SLOTS_A_MINUTE))
        for_all = self._terms.allowed(firsts) + _ROUNDING
        return all(
            sum(own[begin : begin + _TOUCHED]) + 1 <= self._floor(around[begin]) + for_own
            and sum(everybody[begin : begin + _TOUCHED]) + 1 <= for_all
            for begin in range(_TOUCHED)
        )

    def _floor(self, begin: int) -> int:
        """This process's part of the floor in the sixty seconds that begin in this slot.

        What cannot be divided goes from process to process, to each for long enough to be of use.
        """
        whole, rest = divmod(self._terms.floor, self._fleet.processes)
        return whole + ((self._fleet.rank + begin // (2 * _TOUCHED)) % self._fleet.processes < rest)

    def _everybody(self, kind: Kind, slot: int) -> int:
        key = kind, slot
        return self._fleet.counts.get(key, 0) + self._untold[key] + self._sent[key]


def _first(counts: Counts, this_slot: int) -> int:
    return sum(counts.get(("first", this_slot - back), 0) for back in range(SLOTS_A_MINUTE))


def _recent(counts: Counts, now: float) -> Counter[tuple[Kind, int]]:
    oldest = slot_of(now) - _KEPT_SLOTS
    return Counter({key: count for key, count in counts.items() if key[1] >= oldest})
