"""What this process holds: its claims, and the settlements that Redis has not confirmed yet.

It outlives connections: a claim belongs to the process, and is renewed and settled over any link there is.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from orchestrator.transport.claim import Claim

_T = TypeVar("_T")
# Name, claim id, the field that it is counted under, arguments.
_Other = tuple[str, str, str, tuple[str, ...]]

_MAX_DONE, _MAX_OTHERS, _MAX_STARTED = 1000, 200, 1000
_PARTS_BEHIND_NONCE = 3


@dataclass(frozen=True)
class Batch:
    """Settlements on their way.

    `done` has the ids of what has succeeded by the field that it is counted under, `started` the ids of what
    has begun; `others` are (name, id, the field, arguments).
    """

    done: Mapping[str, list[str]] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    others: list[_Other] = field(default_factory=list)

    def __len__(self) -> int:
        """The number of settlements."""
        return sum(map(len, self.done.values())) + len(self.others)

    def ids(self) -> Iterator[str]:
        """The claims that this batch settles."""
        for ids in self.done.values():
            yield from ids
        yield from (claim_id for name, claim_id, _, _ in self.others if name != "unknown")


class Ledger:
    """The claims of one process on one broker.

    Settlements may be noted from any thread. `on_note` is called after the first one that is noted since some
    were taken: somebody has to send them within a few milliseconds.
    """

    def __init__(
        self, lease_seconds: float, max_deliveries: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.lease_seconds = lease_seconds
        self.max_deliveries = max_deliveries
        self.nonce = os.urandom(8).hex()
        self.claims: dict[str, Claim] = {}
        self.on_note: Callable[[], None] = lambda: None
        self.noted_at = time.monotonic()
        # Settlements so far; roughly, where several threads note them.
        self.settled = 0
        # Lists that were found to be none, and told of.
        self.refusing: set[str] = set()
        self._clock = clock
        self._batches = itertools.count(1)
        self._done: deque[tuple[str, str]] = deque()
        self._started: deque[Claim] = deque()
        self._others: deque[_Other] = deque()
        self._under_way: list[Batch] = []
        self._taking = threading.Lock()
        self._told = False

    def __len__(self) -> int:
        """The number of settlements that wait to be sent."""
        return len(self._done) + len(self._others)

    @property
    def has_news(self) -> bool:
        """Whether Redis has to be told anything, be it only that tasks have begun."""
        return bool(self._done or self._others or self._started)

    def next_prefix(self) -> str:
        """What the ids of the next batch of claims begin with: who asked for them, and when.

        They sort by age; `claimed_by` reads them.
        """
        return f"{self.nonce}-{next(self._batches):08d}-{int(self._clock())}-"

    def hold(
        self, claim_id: str, queue: str, raw: bytes, deliveries: int, first_claimed_at: float | None = None
    ) -> Claim:
        """Take a claim into the books: from now on its lease is renewed."""
        first = self._clock() if first_claimed_at is None else first_claimed_at
        claim = self.claims[claim_id] = Claim(self, claim_id, queue, raw, deliveries, first)
        return claim

    def note_done(self, claim_id: str, counted: str = "") -> None:
        """Note the common case: it succeeded at its first delivery; `counted` is the field for its count."""
        self._done.append((claim_id, counted))
        self._noted()

    def note(self, name: str, claim_id: str, *arguments: str, counted: str = "") -> None:
        """Note any other settlement, by the name that the script knows."""
        self._others.append((name, claim_id, counted, arguments))
        self._noted()

    def note_start(self, claim: Claim) -> None:
        """Note that its task has begun; it travels with the next exchange, unless it is settled by then."""
        self._started.append(claim)

    def take(self) -> Batch:
        """Take what is to be sent. It counts as under way until `confirm` or `give_back`."""
        with self._taking:
            # First: whoever notes one that is not taken below then tells of it.
            self._told = False
            batch = Batch(
                done=_grouped(_popped(self._done, _MAX_DONE)),
                started=[c.id for c in _popped(self._started, _MAX_STARTED) if c.id in self.claims],
                others=_popped(self._others, _MAX_OTHERS),
            )
            self._under_way.append(batch)
        return batch

    def confirm(self, batch: Batch) -> None:
        """Redis has carried it out."""
        with self._taking:
            self._under_way.remove(batch)

    def give_back(self, batch: Batch) -> None:
        """Nobody knows whether Redis has carried it out: send it again, which does no harm."""
        begun = [claim for claim_id in batch.started if (claim := self.claims.get(claim_id))]
        with self._taking:
            self._under_way.remove(batch)
            self._started.extendleft(reversed(begun))
            self._done.extendleft((each, counted) for counted, ids in batch.done.items() for each in ids)
            self._others.extendleft(reversed(batch.others))

    def leased(self) -> list[str]:
        """The ids whose leases have to be renewed: held, or settled without Redis's word for it."""
        with self._taking:
            unconfirmed = [claim_id for batch in self._under_way for claim_id in batch.ids()]
            # Copies first: other threads go on noting.
            others = [claim_id for name, claim_id, _, _ in list(self._others) if name != "unknown"]
            done = [claim_id for claim_id, _ in list(self._done)]
            return [*self.claims.copy(), *done, *others, *unconfirmed]

    def lose(self, claim_ids: list[str]) -> list[Claim]:
        """Strike claims whose leases had ended; returns those that were still held."""
        return [claim for claim_id in claim_ids if (claim := self.claims.pop(claim_id, None))]

    def release_all(self) -> None:
        """Give back everything that is held, so that the oldest is the next to be claimed."""
        for claim in sorted(self.claims.copy().values(), key=lambda claim: claim.id, reverse=True):
            claim.release()

    def _noted(self) -> None:
        # Without a lock: a signal's handler may note while the thread that it interrupts is taking.
        self.settled += 1
        if not self._told:
            self._told = True
            self.noted_at = time.monotonic()
            self.on_note()


def claimed_by(claim_id: str) -> tuple[str, int | None]:
    """The nonce of the ledger that made a claim's id, and the Unix second in which it asked for the message.

    None stands for a claim of an older release, which says nothing of the time.
    """
    nonce, *rest = claim_id.split("-")
    return nonce, int(rest[1]) if len(rest) == _PARTS_BEHIND_NONCE and rest[1].isdecimal() else None


def _popped(queue: deque[_T], most: int) -> list[_T]:
    return [queue.popleft() for _ in range(min(most, len(queue)))]


def _grouped(done: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for claim_id, counted in done:
        groups.setdefault(counted, []).append(claim_id)
    return groups
