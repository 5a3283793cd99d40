"""Makes the record of any entry, whatever is in it."""

from __future__ import annotations

import time
from dataclasses import replace

import structlog

from orchestrator.deadletter import death as deaths
from orchestrator.deadletter.death import Death
from orchestrator.deadletter.record import Record, to_record
from orchestrator.relay.entry import Entry

_LOG = structlog.get_logger(__name__)
_DAY_MS = 86_400_000


def record_of(entry: Entry, max_bytes: int) -> tuple[Death, Record | None]:
    """What the entry tells of, and its record; None for a record that would be larger than `max_bytes`."""
    try:
        death = entry.death()
        return death, to_record(death, max_bytes)
    except Exception as error:
        # One that nobody foresaw must not hold up the others: it goes as its fields and its bytes.
        _LOG.warning("outbox_entry_is_odd", entry=entry.id, error=repr(error))
        bare = deaths.from_outbox(entry.fields, b"")
        death = replace(bare, value=entry.raw, value_is="envelope")
        return death, to_record(death, max_bytes)


def timestamp_ms(record: Record, retention_days: float) -> int:
    """The moment of death; now where that lies in the future, which brokers refuse, or long ago.

    A worker's clock may say 1970: Kafka would delete such a record at once, before anybody has read it.
    """
    now_ms = int(time.time() * 1000)
    is_recent = now_ms - record.timestamp_ms < retention_days * _DAY_MS / 2
    return min(record.timestamp_ms, now_ms) if is_recent else now_ms
