"""How many letters there are: what alerts follow from, cheaply, and all of them by what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import Connection

from orchestrator.index.states import STATES, UNSETTLED

_MINUTES = 60
_MOST_NAMES = 20

_COUNTED: LiteralString = """
    SELECT count(*) FILTER (WHERE state = 'open'), count(*) FILTER (WHERE state = 'replaying'),
           count(*) FILTER (WHERE state = 'parked')
    FROM dead_letters WHERE state = ANY(%s)"""
# Every state is named because the index begins with it.
_NEW: LiteralString = """
    SELECT count(*) FROM dead_letters WHERE state = ANY(%s) AND died_at > now() - interval '1 minute'"""
_OLDEST: LiteralString = """
    SELECT coalesce(extract(epoch FROM now() - min(first_failed_at)), 0)
    FROM dead_letters WHERE state = 'open'"""
_BY_STATE: LiteralString = "SELECT state, count(*) FROM dead_letters GROUP BY state"
_BY_REASON: LiteralString = """
    SELECT reason, count(*) FROM dead_letters WHERE state = ANY(%s)
    GROUP BY reason ORDER BY count(*) DESC, reason LIMIT %s"""
_BY_QUEUE: LiteralString = """
    SELECT queue, count(*) FROM dead_letters WHERE state = ANY(%s)
    GROUP BY queue ORDER BY count(*) DESC, queue LIMIT %s"""
_PER_MINUTE: LiteralString = """
    SELECT floor(extract(epoch FROM now() - died_at) / 60)::integer AS minutes_ago, count(*)
    FROM dead_letters WHERE state = ANY(%s) AND died_at > now() - interval '1 minute' * %s
    GROUP BY minutes_ago"""
_OVERFLOW: LiteralString = "SELECT count(*) FROM outbox_overflow"


@dataclass(frozen=True)
class Figures:
    """Letters that are not settled, deaths within the last minute, and the age of the oldest open letter.

    It is as old as its first failure, however often it was replayed since; the age is 0 where none is open.
    """

    open: int
    replaying: int
    parked: int
    new_in_last_minute: int
    oldest_open_seconds: float


@dataclass(frozen=True)
class Totals:
    """Letters by state; those that are not settled by reason and by queue, the most common 20 of each.

    `per_minute` has the latest deaths in each of the last 60 minutes, the oldest first; `overflow` what waits
    in PostgreSQL for Kafka.
    """

    by_state: dict[str, int]
    by_reason: dict[str, int]
    by_queue: dict[str, int]
    per_minute: list[int]
    overflow: int


def figures(connection: Connection[Any]) -> Figures:
    """The figures of now; closed letters are not looked at, however many there are."""
    waiting, replaying, parked = connection.execute(_COUNTED, (list(UNSETTLED),)).fetchall()[0]
    new = connection.execute(_NEW, (list(STATES),)).fetchall()[0][0]
    oldest = connection.execute(_OLDEST).fetchall()[0][0]
    return Figures(waiting, replaying, parked, new, max(0.0, float(oldest)))


def totals(connection: Connection[Any]) -> Totals:
    """Count them all."""
    by_state = dict(connection.execute(_BY_STATE).fetchall())
    unsettled = (list(UNSETTLED), _MOST_NAMES)
    minutes = dict(connection.execute(_PER_MINUTE, (list(STATES), _MINUTES)).fetchall())
    return Totals(
        by_state={state: by_state.get(state, 0) for state in STATES},
        by_reason=dict(connection.execute(_BY_REASON, unsettled).fetchall()),
        by_queue=dict(connection.execute(_BY_QUEUE, unsettled).fetchall()),
        per_minute=[minutes.get(ago, 0) for ago in reversed(range(_MINUTES))],
        overflow=overflow(connection),
    )


def overflow(connection: Connection[Any]) -> int:
    """How many letters wait in PostgreSQL for Kafka."""
    return int(connection.execute(_OVERFLOW).fetchall()[0][0])
