"""Measures what PostgreSQL holds: letters that wait there for Kafka, and those that can be found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from orchestrator.index.stats import figures

_SHOWN_TOPICS = 3
_SHOWN_CHARS = 200

_OVERFLOW = """
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(moved_at)), 0)
    FROM outbox_overflow WHERE error = ''"""
_REFUSED = """
    SELECT topic, max(error) FROM outbox_overflow WHERE error <> ''
    GROUP BY topic ORDER BY count(*) DESC, topic LIMIT %s"""


@dataclass(frozen=True)
class Indexed:
    """What PostgreSQL says: letters that wait there for Kafka, and the letters that can be found."""

    overflow: int
    overflow_seconds: float
    refused: dict[str, str]
    open_letters: int
    letters_per_minute: float
    open_letter_hours: float


def indexed(connection: Connection[Any]) -> Indexed:
    """Ask PostgreSQL."""
    overflow, seconds = connection.execute(_OVERFLOW).fetchall()[0]
    refused = connection.execute(_REFUSED, (_SHOWN_TOPICS,)).fetchall()
    letters = figures(connection)
    return Indexed(
        overflow=overflow,
        overflow_seconds=float(seconds),
        refused={topic: error[:_SHOWN_CHARS] for topic, error in refused},
        open_letters=letters.open,
        letters_per_minute=letters.new_in_last_minute,
        open_letter_hours=letters.oldest_open_seconds / 3600,
    )
