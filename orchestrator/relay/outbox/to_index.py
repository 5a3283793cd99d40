"""The way straight into the index, without Kafka: the same columns as by way of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.deadletter.death import Death
from orchestrator.deadletter.record import Found, Record, from_record, refer
from orchestrator.relay.entry import Entry
from orchestrator.relay.kafka.records import record_of
from orchestrator.relay.overflow.refuge import Refuge
from orchestrator.settings import Settings

_ROWS_AT_ONCE = 200
_LEASE_SECONDS = 120.0
_LOOK_FOR_ROWS_SECONDS = 1.0


class ToIndex:
    """See `Way`. What PostgreSQL cannot take now stays here and in the stream. For one thread."""

    has_overflow = False
    is_stalled = False
    is_busy = False
    lets_go = False

    def __init__(self, settings: Settings, refuge: Refuge, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._refuge = refuge
        self._clock = clock
        self._waiting: list[Entry] = []
        self._safe: list[str] = []
        self._sent = 0
        self._looks_at = 0.0

    def room(self) -> int:
        """No more while some wait for PostgreSQL."""
        return 0 if self._waiting else _ROWS_AT_ONCE

    def turn(self) -> None:
        """Try again, and take what was meant for Kafka before Kafka was switched off."""
        self._refuge.settle()
        self._write_waiting()
        now = self._clock()
        if now >= self._looks_at and not self._waiting:
            rows = self._refuge.claim(_ROWS_AT_ONCE, _LEASE_SECONDS, ())
            if not rows:
                self._looks_at = now + _LOOK_FOR_ROWS_SECONDS
            self.take(rows)

    def take(self, entries: Sequence[Entry]) -> None:
        """Write them."""
        self._waiting += entries
        self._write_waiting()

    def wait(self, _seconds: float) -> None:
        """No answer comes later."""

    def give_way(self, _entries: int) -> int:
        """There is no other place."""
        return 0

    def store(self, _entries: Sequence[Entry]) -> bool:
        """There is no other place."""
        return False

    def held(self) -> list[str]:
        """The ids in the stream of what it holds."""
        return [*(entry.id for entry in self._waiting if entry.position is None), *self._safe]

    def take_safe(self) -> list[str]:
        """The ids of what is indexed."""
        safe, self._safe = self._safe, []
        return safe

    def state(self) -> dict[str, Any]:
        """What it does."""
        return {"sent": self._sent, "held": {}, "kafka": "off", "error": self._refuge.error}

    def finish(self, _within_seconds: float) -> None:
        """Nothing is under way between turns."""
        self._refuge.settle()
        self._refuge.release(self._waiting)

    def _write_waiting(self) -> None:
        if not self._waiting:
            return
        deaths = [self._death(entry) for entry in self._waiting]
        if not self._refuge.index(deaths, self._settings.max_replays):
            return
        for entry in self._waiting:
            if entry.position is None:
                self._safe.append(entry.id)
            else:
                self._refuge.is_sent(entry)
        self._sent += len(self._waiting)
        self._waiting = []

    def _death(self, entry: Entry) -> Death:
        death, record = record_of(entry, self._settings.dlq_max_bytes)
        if record is not None:
            return self._read_back(record)
        return replace(self._read_back(refer(death)), value=entry.raw, value_is="envelope")

    def _read_back(self, record: Record) -> Death:
        found = Found("", 0, 0, record.key, record.value, record.headers, record.timestamp_ms)
        death = from_record(found, self._settings.kafka_dlq_suffix)
        return replace(death, topic=None, partition=None, offset=None)
