"""Makes the record of any entry, whatever is in it."""

from __future__ import annotations

from dataclasses import replace

import structlog

from orchestrator.deadletter import death as deaths
from orchestrator.deadletter.death import Death
from orchestrator.deadletter.record import Record, to_record
from orchestrator.relay.entry import Entry

_LOG = structlog.get_logger(__name__)


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
