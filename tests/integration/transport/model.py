"""The transport's scripts in plain Python: what they do to the places, and what they answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from orchestrator import keys
from orchestrator.transport.exchange import RESERVE, Answer, Wish
from orchestrator.transport.keys import group_of
from orchestrator.transport.ledger import Batch, claimed_by
from tests.integration.transport.idle import Idle
from tests.integration.transport.places import PREFIX, digest

LEASE_MS = 600_000
_MAX_RETURNED, _MAX_MOVED = 100, 200
_REFUSED_MS = 60_000
# Beside the count of a message's deliveries.
_FIRST = ":first"


class Model(Idle):
    """A broker; what time it is is given in, in milliseconds."""

    # -- workers

    def exchange(self, wish: Wish, batch: Batch, lists: Sequence[str], now: int) -> Answer:
        """Settle, return what has expired, move what is due, claim."""
        self.refusing: list[str] = []
        late = sum(
            not self._done(claim_id, counted) for counted, ids in batch.done.items() for claim_id in ids
        )
        self.started |= {claim_id for claim_id in batch.started if claim_id in self.claims}
        late += sum(self._settle(now, *settlement) for settlement in batch.others)
        self._hear(now, LEASE_MS / 10)
        self._return_expired(now)
        self._move_due(now)
        answer = self._claim(wish, lists, late, now)
        # It is no place.
        refusing = tuple(vars(self).pop("refusing"))
        return replace(answer, refusing=refusing)

    def renew(self, claim_ids: Sequence[str], now: int) -> list[str]:
        """Prolong leases; returns those that are none any more."""
        self._hear(now, -1)
        self.leases |= {claim_id: now + LEASE_MS for claim_id in claim_ids if claim_id in self.leases}
        return [claim_id for claim_id in claim_ids if claim_id not in self.leases]

    def watch(self, lists: Sequence[str], queues: Sequence[str], wake: str) -> list[int]:
        """Whether something can be claimed, the counter of changes, and whether the worker was woken."""
        open_lists = [name for at, name in enumerate(lists) if queues[at % len(queues)] not in self.paused]
        return [int(any(name in self.lists for name in open_lists)), self.changes, int(wake in self.wakes)]

    # -- producers and operators

    def push(self, target: str, *messages: bytes) -> None:
        """To the end of a queue, as a plain producer does."""
        self.lists[target] = [*reversed(messages), *self.lists.get(target, [])]

    def delay(self, delay_id: str, due: int, target: str, raw: bytes) -> int:
        """Let a message wait; returns when it is due."""
        if not self.delayed or due < min(self.delayed.values()):
            self.changes += 1
        self.bodies[delay_id], self.delayed[delay_id] = (target, raw), due
        return due

    def push_chunk(self, marker: str, delay_ms: int, target: str, messages: Sequence[bytes], now: int) -> int:
        """Push what this chunk holds more than before; returns how many that were."""
        before = self.markers.get(marker, 0)
        if len(messages) <= before:
            return 0
        if delay_ms:
            self.changes += 1
            for number, raw in enumerate(messages[before:], before + 1):
                self.bodies[f"{marker}:{number}"] = target, raw
                self.delayed[f"{marker}:{number}"] = now + delay_ms
        else:
            self.push(target, *messages[before:])
        self.markers[marker] = len(messages)
        return len(messages) - before

    def eject(self, delay_id: str, target: str, seen: bytes, plain: bytes) -> int:
        """Turn a delayed message into a plain one, if it is still the one that was seen."""
        if self.bodies.get(delay_id) != (target, seen):
            return 0
        self.push(target, plain)
        del self.bodies[delay_id], self.delayed[delay_id]
        return 1

    def adopt(self, tag: str, seen: bytes, targets: Sequence[str], restored: bytes) -> int:
        """Give back what a stock worker holds, if it is still what was seen."""
        if self.unacked.get(tag) != seen:
            return 0
        for target in targets:
            self._put_first(target, restored)
        del self.unacked[tag], self.unacked_index[tag]
        return 1

    def release(self, breaker: str, ids: Sequence[str], now: int) -> list[object]:
        """Let what waits for a breaker go on; returns how many messages did, and the lists that refuse."""
        moved, refusing = 0, []
        waiting = self.aside.get(breaker, {})
        for aside in reversed(ids):
            target, raw = self.aside_messages.get(aside, ("", b""))
            if target in self.taken:
                waiting[aside] = max(waiting[aside], now) + _REFUSED_MS
                refusing.append(target.encode())
                continue
            if target:
                self._put_first(target, raw)
                moved += 1
            self.aside_messages.pop(aside, None)
            waiting.pop(aside, None)
        if not waiting:
            self.aside.pop(breaker, None)
            self.asides.discard(breaker)
        return [moved, *refusing]

    def take(self, claim_id: str, target: str, place: int, raw: bytes, now: int) -> list[int]:
        """Claim a message that was seen at this place from the end that is claimed next, if it still is."""
        there = self.lists.get(target, [])
        if place > len(there) or there[-place] != raw:
            return [0, 0]
        self.leases[claim_id], self.claims[claim_id] = now + LEASE_MS, (target, raw)
        # Of the same bytes one is as good as another: that which is claimed first goes.
        last = max(at for at, each in enumerate(there) if each == raw)
        left = there[:last] + there[last + 1 :]
        if left:
            self.lists[target] = left
        else:
            del self.lists[target]
        return [1, self.deliveries.get(digest(raw), 0)]

    # -- inside

    def _done(self, claim_id: str, counted: str) -> bool:
        was_there = self._drop(claim_id)
        if was_there:
            self._count_outcome(counted)
        return was_there

    def _count_outcome(self, counted: str) -> None:
        if counted:
            self.counts[counted] = self.counts.get(counted, 0) + 1

    def _settle(self, now: int, name: str, claim_id: str, counted: str, arguments: Sequence[str]) -> bool:
        """Carry out a settlement; returns whether it came too late."""
        if name == "unknown":
            for number in range(int(arguments[0]), 0, -1):
                self._settle(now, "release", f"{claim_id}{number:04d}", "", ())
            return False
        if claim_id not in self.claims:
            return True
        target, raw = self.claims[claim_id]
        moved = True
        if name in {"done", "resolve", "bury"}:
            self._end(raw, name, _fields(arguments))
        elif name == "release":
            moved = self._put_first(target, raw)
        elif name == "reject":
            moved = self._put_last(target, raw)
            if moved:
                self._count(raw, claim_id)
        elif name == "aside":
            moved = self._set_aside(claim_id, now, *arguments)
        else:
            moved = self._put_back(claim_id, now, *arguments)
        if moved:
            self._drop(claim_id)
            self._count_outcome(counted)
        return False

    def _end(self, raw: bytes, name: str, fields: dict[str, bytes]) -> None:
        if name == "resolve":
            self.outcomes.append(fields)
        elif name == "bury":
            self.letters.append(fields | {"raw": raw})
        self._forget(raw)

    def _put_back(self, claim_id: str, now: int, after_ms: str, other: str, changed: str) -> bool:
        target, raw = self.claims[claim_id]
        new_raw = changed.encode() or raw
        if int(after_ms):
            self.delay(claim_id, now + int(after_ms), other or target, new_raw)
        elif not self._put_last(other or target, new_raw):
            return False
        if changed:
            self._forget(raw)
        return True

    def _set_aside(self, claim_id: str, now: int, *arguments: str) -> bool:
        breaker, limit_ms, aside, new = arguments
        target, raw = self.claims[claim_id]
        waiting = target, new.encode()
        if self.aside_messages.get(aside, waiting) != waiting:
            aside = claim_id
        self.asides.add(breaker)
        self.aside.setdefault(breaker, {})[aside] = now + int(limit_ms)
        self.aside_messages[aside] = waiting
        if count := self.deliveries.get(digest(raw), 0):
            self._forget(raw)
            self.deliveries[digest(new.encode())] = count
        return True

    def _hear(self, now: int, at_least_ms: float) -> None:
        silent_ms = abs(now - self.pulse)
        if silent_ms > LEASE_MS / 2:
            self.quiet = now + LEASE_MS
        if silent_ms > at_least_ms:
            self.pulse = now

    def _return_expired(self, now: int) -> None:
        if self.quiet:
            return
        expired = sorted(((until, claim_id) for claim_id, until in self.leases.items() if until <= now))
        for _, claim_id in expired[: -_MAX_RETURNED - 1 : -1]:
            target, raw = self.claims[claim_id]
            if not self._put_first(target, raw):
                self.leases[claim_id] = now + _REFUSED_MS
                continue
            if claim_id in self.started:
                self._count(raw, claim_id)
            self._drop(claim_id)

    def _move_due(self, now: int) -> None:
        due = sorted((at, delay_id) for delay_id, at in self.delayed.items() if at <= now)[:_MAX_MOVED]
        for _, delay_id in reversed(due):
            if self._put_first(*self.bodies[delay_id]):
                del self.bodies[delay_id], self.delayed[delay_id]
            else:
                self.delayed[delay_id] = now + _REFUSED_MS

    def _claim(self, wish: Wish, lists: Sequence[str], late: int, now: int) -> Answer:
        group = group_of(lists)
        sentries, reserves = keys.sentries(group, PREFIX), keys.reserves(group, PREFIX)
        if wish.role == RESERVE:
            self.wakes.discard(f"{reserves}:{wish.token}")
        want = wish.messages
        if wish.token and self._others_wait(wish.token, sentries, reserves, now):
            want = min(want, wish.free)
        messages = self._take(wish, lists, want, now)
        left = want - len(messages)
        idle = left > 0 and wish.free > len(messages)
        due_ms = self._until_due(wish.wait_ms, now) if left > 0 else -1
        role = 0
        if wish.token and idle:
            role = self._wait(wish, sentries, reserves, now)
        elif wish.token and (want > 0 or wish.role):
            self._leave(wish, sentries, reserves, now, more=left == 0)
        firsts = {
            number: self.deliveries[digest(raw) + _FIRST]
            for number, (_, raw, deliveries) in enumerate(messages, 1)
            if deliveries and digest(raw) + _FIRST in self.deliveries
        }
        return Answer(late, due_ms, role, str(self.changes).encode(), tuple(messages), firsts=firsts)

    def _take(self, wish: Wish, lists: Sequence[str], want: int, now: int) -> list[tuple[int, bytes, int]]:
        taken: list[tuple[int, bytes, int]] = []

        def take_from(at: int, most: int) -> bool:
            target, count = lists[at], 0
            while self.lists.get(target) and count < most:
                raw, count = self.lists[target].pop(), count + 1
                taken.append((at, raw, self.deliveries.get(digest(raw), 0)))
                claim_id = f"{wish.prefix}{len(taken):04d}"
                self.claims[claim_id], self.leases[claim_id] = (target, raw), now + LEASE_MS
                if len(taken) <= wish.free:
                    self.started.add(claim_id)
            if not self.lists.get(target):
                self.lists.pop(target, None)
            return count == most

        queues = len(wish.queues)
        for first in range(0, len(lists) if want > 0 else 0, queues or 1):
            share, more = math.ceil((want - len(taken)) / queues), []
            for at in range(first, first + queues):
                most = min(share, want - len(taken))
                if most > 0 and wish.queues[at - first] not in self.paused and take_from(at, most):
                    more.append(at)
            for at in more if queues > 1 else ():
                if len(taken) < want:
                    take_from(at, want - len(taken))
        return taken

    def _until_due(self, wait_ms: int, now: int) -> int:
        times = [wait_ms]
        if self.delayed:
            times.append(min(self.delayed.values()) - now)
        if self.leases:
            times.append(max(min(self.leases.values()), self.quiet) - now + 20)
        return max(min(times), 1)

    def _put_first(self, target: str, raw: bytes) -> bool:
        """To the end that is claimed next; returns whether the list took it."""
        if self._refuses(target):
            return False
        self.lists.setdefault(target, []).append(raw)
        return True

    def _put_last(self, target: str, raw: bytes) -> bool:
        if self._refuses(target):
            return False
        self.push(target, raw)
        return True

    def _refuses(self, target: str) -> bool:
        if target in self.taken and target not in self.refusing:
            self.refusing.append(target)
        return target in self.taken

    def _count(self, raw: bytes, claim_id: str) -> None:
        self.deliveries[digest(raw)] = self.deliveries.get(digest(raw), 0) + 1
        _, at = claimed_by(claim_id)
        if at is not None:
            self.deliveries.setdefault(digest(raw) + _FIRST, at)

    def _forget(self, raw: bytes) -> None:
        self.deliveries.pop(digest(raw), None)
        self.deliveries.pop(digest(raw) + _FIRST, None)

    def _drop(self, claim_id: str) -> bool:
        self.started.discard(claim_id)
        self.leases.pop(claim_id, None)
        return self.claims.pop(claim_id, None) is not None


def _fields(arguments: Sequence[str]) -> dict[str, bytes]:
    """The fields of a stream's entry."""
    return {key: value.encode() for key, value in zip(arguments[::2], arguments[1::2], strict=True)}
