"""Batches that were claimed, and of which nobody knows whether Redis has them: they are pushed again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection

from orchestrator.replay.enqueuing import MARKER_SECONDS, confirm, enqueue_again
from orchestrator.replay.order import Order

_FIND: LiteralString = """
    SELECT id, operation_id, letters, created_at < clock_timestamp() - make_interval(secs => %s)
      FROM replay_batches
     WHERE enqueued_at IS NULL AND created_at <= clock_timestamp() - make_interval(secs => %s)
       AND (%s::uuid IS NULL OR operation_id = %s)
     ORDER BY created_at LIMIT %s"""
# A batch that is younger than this has its marker for certain.
_SAFE_SECONDS = MARKER_SECONDS - 86_400
_ALL = 1_000_000


@dataclass(frozen=True)
class Unconfirmed:
    """A batch of so many letters. One that is `expired` has outlived its marker."""

    id: UUID
    operation_id: UUID
    letters: int
    expired: bool


def find(
    connection: Connection[Any],
    *,
    operation_id: UUID | None = None,
    age_seconds: float = 0.0,
    most: int = _ALL,
) -> list[Unconfirmed]:
    """Those that are at least so old, of one operation or of all, the oldest first."""
    rows = connection.execute(_FIND, (_SAFE_SECONDS, age_seconds, operation_id, operation_id, most))
    return [Unconfirmed(*row) for row in rows.fetchall()]


def settle(connection: Connection[Any], channel: Any, batch: Unconfirmed, asked: Order) -> None:
    """Push what was not pushed, and confirm the batch.

    One that has outlived its marker could be pushed twice. It is only confirmed: those of its letters that
    are nowhere in Redis will then be found, and opened.

    Raises:
        ReplayInterrupted: Redis is away or full.
    """
    if not batch.expired:
        enqueue_again(channel, connection, batch.id, batch.letters, asked)
    confirm(connection, batch.id)
