"""A worker's claiming: when to ask Redis, what to do with its answer, and how to wait without polling."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis.exceptions import ResponseError

from orchestrator.transport.claim import Claim
from orchestrator.transport.exchange import (
    NOT_WAITING,
    SENTRY,
    Answer,
    Wish,
    forget_unknown,
    warn_of_refusing,
)
from orchestrator.transport.keeper import Keeper
from orchestrator.transport.keys import Keys
from orchestrator.transport.ledger import Batch, Ledger
from orchestrator.transport.link import Link

_LOG = structlog.get_logger(__name__)

MAX_CLAIMED = 200
# How late a settlement may be sent: it travels with the next claim.
SETTLE_AFTER_SECONDS = 0.004
_ENOUGH_SETTLEMENTS = 32
# An idle worker looks again after this long, whatever it was told.
IDLE_SECONDS = 5.0
# Where the server pushes no invalidations.
_POLL_SECONDS = 0.05
_REFUSED_SECONDS = 0.2
_FULL_SECONDS = 0.25
# Every so many claims the lists are taken in reverse order, so that a low priority is never starved.
_TURN_AROUND = 16


class Claims:
    """Claims messages from the lists of some queues, over one link.

    `deliver` is called for each message. `room` says how many more may be held, `free` how many of them could
    start at once. `call_later` (seconds, function) is the event loop's timer, or None where there is no loop.
    """

    def __init__(
        self,
        link: Link,
        keeper: Keeper,
        keys: Keys,
        deliver: Callable[[Claim], None],
        room: Callable[[], tuple[int, int]],
    ) -> None:
        self.link = link
        self.call_later: Callable[[float, Callable[[], None]], Any] | None = None
        self._keeper = keeper
        self._ledger: Ledger = keeper.ledger
        self._keys = keys
        self._deliver = deliver
        self._room = room
        self._queues: tuple[str, ...] = ()
        self._lists: tuple[str, ...] = ()
        self._turns = 0
        self._asked: tuple[Wish, Batch] | None = None
        self._watching: bytes | None = None
        self._role = NOT_WAITING
        self._idle_until = 0.0
        self._full_until = 0.0
        self._refused_until = 0.0
        self._timer: Any = None

    def consume(self, queues: Sequence[str], lists: Sequence[str]) -> None:
        """Claim from these queues; `lists` are theirs, one group a priority, in the order of `queues`."""
        if (tuple(queues), tuple(lists)) != (self._queues, self._lists):
            self._queues, self._lists = tuple(queues), tuple(lists)
            self.look_again()

    @property
    def is_waiting_for_redis(self) -> bool:
        """Whether a reply is outstanding."""
        return self._asked is not None or self._watching is not None

    def look_again(self) -> None:
        """Something may have changed: ask at the next opportunity."""
        self._idle_until = 0.0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def tick(self) -> None:
        """Before every poll of the event loop: ask Redis, if there is reason to."""
        self._keeper.hear()
        now = time.monotonic()
        if self.is_waiting_for_redis or now < self._refused_until:
            return
        room, free = self._room() if self._queues else (0, 0)
        if now < self._idle_until or (free <= 0 and now < self._full_until):
            room = 0
        if self._has_reason(room, free):
            self._ask(min(max(room, 0), MAX_CLAIMED), max(free, 0))

    def _has_reason(self, room: int, free: int) -> bool:
        waiting = len(self._ledger)
        if waiting >= _ENOUGH_SETTLEMENTS:
            return True
        if waiting and time.monotonic() - self._ledger.noted_at >= SETTLE_AFTER_SECONDS:
            return True
        # Settlements that are milliseconds old may gather; a worker with nothing to do asks at once.
        return room > 0 and (not waiting or free > 0)

    def _ask(self, room: int, free: int) -> None:
        batch = self._ledger.take()
        lists: tuple[str, ...] = ()
        wish = Wish()
        if room > 0:
            queues, lists = self._in_turn()
            wish = Wish(
                messages=room,
                free=free,
                prefix=self._ledger.next_prefix(),
                queues=queues,
                token=self._ledger.nonce if self.link.tracks and self.call_later else "",
                role=self._role,
                wait_ms=int((IDLE_SECONDS if self.link.tracks else _POLL_SECONDS) * 1000),
            )
        self._asked = (wish, batch)
        try:
            self.link.send(
                "exchange", self._keys.exchange(lists), wish.arguments(self._ledger.lease_seconds, batch)
            )
        except BaseException:
            self.forget()
            raise

    def _in_turn(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The queues and lists to claim from now: each queue comes first in its turn."""
        self._turns += 1
        count = len(self._queues)
        shift = self._turns % count
        groups = [self._lists[at : at + count] for at in range(0, len(self._lists), count)]
        if self._turns % _TURN_AROUND == 0:
            groups.reverse()
        turned = [name for group in groups for name in (*group[shift:], *group[:shift])]
        return (*self._queues[shift:], *self._queues[:shift]), tuple(turned)

    def read(self) -> None:
        """The link is readable: take in a reply, or an invalidation.

        Raises:
            redis.exceptions.ConnectionError: the link is down; what was asked will be asked again.
        """
        try:
            if self._asked is not None:
                self._take_answer()
            elif self._watching is not None:
                self._take_watch()
            if not self.is_waiting_for_redis:
                self.link.read_pushes()
        except ResponseError as error:
            _LOG.warning("script_refused", error=str(error))
            self.forget()
            # Half of a pipeline may be unread.
            self.link.disconnect()
            self._pause()
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """The link is lost: send the settlements again, and have unknown claims released."""
        self._watching = None
        self._role = NOT_WAITING
        if self._asked is None:
            return
        (wish, batch), self._asked = self._asked, None
        self._ledger.give_back(batch)
        forget_unknown(self._ledger, wish)

    def _take_answer(self) -> None:
        assert self._asked is not None  # noqa: S101 (for the type checker)
        answer = Answer.parse(self.link.receive())
        (wish, batch), self._asked = self._asked, None
        self._ledger.confirm(batch)
        warn_of_refusing(self._ledger, answer)
        if answer.late:
            _LOG.info("settlements_too_late", settlements=answer.late)
        if not wish.messages:
            return
        self._role = answer.role
        if wish.free <= 0 and not answer.messages:
            # All its processes are at work, and there is nothing to lay by: the next settlement asks again.
            self._full_until = time.monotonic() + _FULL_SECONDS
        self._hand_over(wish, answer)
        if answer.role != NOT_WAITING:
            self._watch(wish, answer)
        elif not answer.messages and wish.free > 0:
            # Nobody will tell it: a server without client tracking, or a consumer without an event loop.
            self._wait(min(max(answer.due_ms, 1) / 1000, _POLL_SECONDS))

    def _hand_over(self, wish: Wish, answer: Answer) -> None:
        queues, firsts = wish.queues, answer.firsts
        claims = [
            self._ledger.hold(
                f"{wish.prefix}{number:04d}",
                queues[index % len(queues)],
                raw,
                deliveries,
                firsts.get(number),
            )
            for number, (index, raw, deliveries) in enumerate(answer.messages, 1)
        ]
        for claim in claims[: wish.free]:
            claim.started = True
        for position, claim in enumerate(claims):
            try:
                self._deliver(claim)
            except BaseException:
                # What was renewed but never run would be held for ever.
                for unserved in reversed(claims[position:]):
                    unserved.release()
                raise

    def _watch(self, wish: Wish, answer: Answer) -> None:
        sentry = answer.role == SENTRY
        self._watching = answer.changes
        self._wait(answer.due_ms / 1000 if sentry and answer.due_ms > 0 else IDLE_SECONDS)
        keys = self._keys.watch(wish.token, self._lists, sentry=sentry)
        self.link.send("watch", keys, self._queues if sentry else (), tracked=True)

    def _take_watch(self) -> None:
        waiting, changes, woken = self.link.receive(tracked=True)
        seen, self._watching = self._watching, None
        moved = self._role == SENTRY and changes != seen
        if waiting or woken or moved:
            self.look_again()

    def _pause(self) -> None:
        """Ask for nothing at all for a while: what was refused would be refused again at once."""
        self._refused_until = time.monotonic() + _REFUSED_SECONDS
        if self.call_later is not None:
            self.call_later(_REFUSED_SECONDS, self.look_again)

    def _wait(self, seconds: float) -> None:
        self.look_again()
        self._idle_until = time.monotonic() + seconds
        if self.call_later is not None:
            self._timer = self.call_later(seconds, self.look_again)
