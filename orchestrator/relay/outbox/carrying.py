"""Carries entries from the stream to their way, turn by turn, and back what became of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event
from typing import Any

from redis.exceptions import RedisError

from orchestrator.relay.entry import Entry
from orchestrator.relay.outbox.figures import Figures
from orchestrator.relay.outbox.stream import IDLE_SECONDS, Stream
from orchestrator.relay.outbox.tide import Tide
from orchestrator.relay.outbox.way import Way
from orchestrator.relay.overflow.refuge import Refuge

_MOST_AT_ONCE, _FIRST_AT_ONCE = 500, 50
# As many entries are read at once as had this size together the last time: they may be large.
_BYTES_AT_ONCE = 8 * 1024 * 1024
_IDLE_SECONDS, _FULL_SECONDS, _BUSY_SECONDS = 0.3, 0.1, 0.02
_KEEP_SECONDS = IDLE_SECONDS / 3
_SWEEP_SECONDS = 3600.0
_RELIEVE_SECONDS = 1.0
_FINISH_SECONDS = 2.0
_FROM_THE_FIRST = "0-0"


class Carrier:
    """One life of a mover. After a redis.exceptions.RedisError `start_again` is to be called."""

    def __init__(
        self, stream: Stream, way: Way, refuge: Refuge, high_water: int, clock: Callable[[], float]
    ) -> None:
        self._stream = stream
        self._way = way
        self._refuge = refuge
        self._high_water = high_water
        self._clock = clock
        self._figures = Figures(stream, refuge, clock)
        self._tide = Tide(high_water, clock)
        self._has_joined = False
        self._safe: list[str] = []
        # After which of its own entries it reads on, where it holds fewer than it has.
        self._again_after: str | None = _FROM_THE_FIRST
        self._at_once = _FIRST_AT_ONCE
        self._keeps_at = self._takes_over_at = self._sweeps_at = 0.0

    def turn(self, stop: Event) -> None:
        """Settle, forget, make room, read. Takes some tenths of a second when there is nothing to do."""
        if not self._has_joined:
            self._stream.join()
            self._has_joined = True
        self._way.turn()
        self._forget()
        self._keep_house()
        self._figures.refresh()
        self._relieve()
        found = self._read(self._way.room())
        self._way.take(found)
        if found:
            return
        if self._way.is_busy:
            self._way.wait(_BUSY_SECONDS)
        elif self._way.room() <= 0:
            stop.wait(_FULL_SECONDS)

    def start_again(self) -> None:
        """Redis was away: a reply may be lost, or with it the group."""
        self._has_joined = False
        self._again_after = _FROM_THE_FIRST

    def state(self) -> dict[str, Any]:
        """What waits in Redis (`outbox`, `oldest_seconds`) and PostgreSQL (`overflow`), and why."""
        state = self._figures.state() | self._way.state()
        return state | {"postgres": self._refuge.error or "up"}

    def finish(self) -> None:
        """Wait a moment for what is under way. The rest stays pending, and others take it over."""
        self._way.finish(_FINISH_SECONDS)
        with suppress(RedisError):
            self._forget()
            self._stream.sweep(leaving=True)

    def _forget(self) -> None:
        self._safe += self._way.take_safe()
        if self._safe:
            self._stream.forget(self._safe)
            self._safe = []

    def _keep_house(self) -> None:
        now = self._clock()
        if now >= self._keeps_at:
            self._keeps_at = now + _KEEP_SECONDS
            self._stream.keep(self._way.held())
        if now >= self._sweeps_at:
            self._sweeps_at = now + _SWEEP_SECONDS
            self._stream.sweep()

    def _relieve(self) -> None:
        """Redis must not fill up while nothing goes on, or less than comes in: what is too much moves."""
        is_high = self._tide.is_high(self._figures.length)
        if self._figures.length <= self._high_water or not (self._way.is_stalled or is_high):
            return
        if self._way.has_overflow and self._refuge.answers():
            self._move(self._stream.length() - self._high_water)

    def _move(self, too_many: int) -> None:
        """Have the oldest entries that are not under way in PostgreSQL, as many as a moment lasts for."""
        moved = self._way.give_way(too_many) if self._way.is_stalled and too_many > 0 else 0
        self._again_after = self._again_after or _FROM_THE_FIRST
        until = self._clock() + _RELIEVE_SECONDS
        while moved < too_many and self._clock() <= until:
            most = min(too_many - moved, self._at_once)
            found = self._read_again(most) or self._paced(self._stream.read(most))
            if not found:
                break
            if not self._way.store(found):
                self._again_after = _FROM_THE_FIRST
                break
            moved += len(found)
            self._forget()
        self._forget()

    def _read(self, room: int) -> list[Entry]:
        most = min(room, self._at_once)
        if most <= 0:
            return []
        if self._way.lets_go:
            self._way.lets_go = False
            self._again_after = _FROM_THE_FIRST
        found = self._read_again(most) or self._take_over(most)
        if found:
            return found
        wait_seconds = 0.0 if self._way.is_busy else _IDLE_SECONDS
        return self._paced(self._stream.read(most, wait_seconds))

    def _read_again(self, most: int) -> list[Entry]:
        """Entries that are this relay's, and that it does not hold."""
        while self._again_after is not None:
            found, self._again_after = self._stream.read_again(self._again_after, most)
            missing = self._not_held(found)
            if missing:
                return self._paced(missing)
        return []

    def _take_over(self, most: int) -> list[Entry]:
        if self._clock() < self._takes_over_at:
            return []
        found, is_last = self._stream.take_over(most)
        if is_last:
            self._takes_over_at = self._clock() + _KEEP_SECONDS
        return self._paced(self._not_held(found))

    def _not_held(self, entries: Sequence[Entry]) -> list[Entry]:
        held = {*self._way.held(), *self._safe} if entries else set()
        return [entry for entry in entries if entry.id not in held]

    def _paced(self, entries: list[Entry]) -> list[Entry]:
        if entries:
            usual = sum(entry.size for entry in entries) / len(entries)
            affordable = int(_BYTES_AT_ONCE / max(usual, 1.0))
            self._at_once = max(1, min(2 * self._at_once, affordable, _MOST_AT_ONCE))
        return entries
