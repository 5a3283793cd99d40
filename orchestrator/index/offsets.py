"""How far each partition has been indexed: an indexer that another one has overtaken writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from psycopg import Connection

from orchestrator.errors import OvertakenIndexer

Place = tuple[str, int]

_STORED = "SELECT topic, partition, next_offset FROM dead_letter_offsets"
_GO_ON = """
    UPDATE dead_letter_offsets o SET next_offset = n.next_offset
    FROM unnest(%s::text[], %s::integer[], %s::bigint[], %s::bigint[])
         AS n (topic, partition, known, next_offset)
    WHERE o.topic = n.topic AND o.partition = n.partition AND o.next_offset = n.known"""
_BEGIN = """
    INSERT INTO dead_letter_offsets (topic, partition, next_offset)
    SELECT n.topic, n.partition, n.next_offset
    FROM unnest(%s::text[], %s::integer[], %s::bigint[], %s::bigint[])
         AS n (topic, partition, known, next_offset)
    WHERE n.known IS NULL
    ON CONFLICT (topic, partition) DO NOTHING"""


class Advance(NamedTuple):
    """From which offset on a partition was read, as it was stored (None: nothing was), and the next one."""

    known: int | None
    next_offset: int


def stored(connection: Connection[Any]) -> dict[Place, int]:
    """The next offset of each partition that has been read."""
    return {(topic, partition): offset for topic, partition, offset in connection.execute(_STORED)}


def advance(connection: Connection[Any], offsets: Mapping[Place, Advance]) -> None:
    """Store the next offsets, in the caller's transaction.

    Raises:
        OvertakenIndexer: what is stored is not what this indexer knew; the transaction must be rolled back.
    """
    if not offsets:
        return
    columns = (
        [topic for topic, _ in offsets],
        [partition for _, partition in offsets],
        [each.known for each in offsets.values()],
        [each.next_offset for each in offsets.values()],
    )
    written = connection.execute(_GO_ON, columns).rowcount
    if written < len(offsets):
        written += connection.execute(_BEGIN, columns).rowcount
    if written != len(offsets):
        raise OvertakenIndexer


def forget(connection: Connection[Any], known: Mapping[Place, int]) -> None:
    """Let partitions that are gone be read from their beginning, should they come back."""
    connection.execute(
        "DELETE FROM dead_letter_offsets o"
        " USING unnest(%s::text[], %s::integer[], %s::bigint[]) AS n (topic, partition, known)"
        " WHERE o.topic = n.topic AND o.partition = n.partition AND o.next_offset = n.known",
        ([topic for topic, _ in known], [partition for _, partition in known], list(known.values())),
    )
