"""Moments that others have written: a person, or another program, may have written any number."""

from datetime import UTC, datetime

# The last one that Python can write, in ms since 1970.
LAST_MS = 253_402_300_799_000


def written_at(entry_id: bytes) -> datetime:
    """When an entry was added to its stream, by its id, which may be one that a person has made up."""
    return datetime.fromtimestamp(min(int(entry_id.partition(b"-")[0]), LAST_MS) / 1000, UTC)
