"""Tells letters what became of their replays: resolved, or revoked by a person.

What has died again is told by its death. Where both are told of one replay, the death counts: a failure that
nobody sees would be a loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, sql

from orchestrator.deadletter import event
from orchestrator.index.fitting import identity, writable
from orchestrator.postgres import nested

RESOLVED, REVOKED = "resolved", "revoked"
# Of an event: its own client has published it after all, whatever became of replays.
PUBLISHED = event.PUBLISHED
_STATES = {RESOLVED: "resolved", REVOKED: "open"}
_MOST_REPLAYS = 2**31


@dataclass(frozen=True)
class Outcome:
    """The replay of that number ended at that moment, as "resolved" or "revoked"."""

    letter_id: str
    replay: int
    outcome: str
    at: datetime


# In the order of their ids, in which everybody locks them.
_LOCK = sql.SQL("SELECT id FROM dead_letters WHERE id = ANY(%s::text[]) ORDER BY id FOR NO KEY UPDATE")
_SUCCEEDS = sql.SQL("l.state IN ('open', 'replaying', 'parked')")
_IS_REVOKED = sql.SQL("l.state IN ('open', 'replaying')")
# A letter that knows of fewer replays than there were was restored from a backup.
_APPLY = sql.SQL("""
    WITH told AS (
        SELECT DISTINCT ON (letter_id) * FROM unnest(%s::text[], %s::integer[], %s::timestamptz[])
               AS t (letter_id, replay, at)
        ORDER BY letter_id, replay DESC, at
    ), changed AS (
        UPDATE dead_letters l
        SET state = {state}, state_at = clock_timestamp(), replay = t.replay,
            batch_id = NULL, batch_position = NULL
        FROM told t
        WHERE l.id = t.letter_id AND l.replay <= t.replay AND {applies}
          AND NOT EXISTS (
              SELECT FROM dead_letter_deaths d WHERE d.letter_id = l.id AND d.replay >= t.replay)
          AND NOT EXISTS (
              SELECT FROM dead_letter_history h
              WHERE h.letter_id = l.id AND h.event = {event} AND h.detail = format('replay %%s', t.replay))
        RETURNING l.id, t.replay, t.at
    )
    INSERT INTO dead_letter_history (letter_id, event, at, detail)
    SELECT id, {event}, at, format('replay %%s', replay) FROM changed ORDER BY at, id""")
_PUBLISHED = sql.SQL("""
    WITH changed AS (
        UPDATE dead_letters l
        SET state = 'resolved', state_at = clock_timestamp(), batch_id = NULL, batch_position = NULL
        FROM (SELECT DISTINCT ON (letter_id) * FROM unnest(%s::text[], %s::timestamptz[]) AS t (letter_id, at)
              ORDER BY letter_id, at) AS t
        WHERE l.id = t.letter_id AND l.state IN ('open', 'replaying', 'parked')
        RETURNING l.id, t.at
    )
    INSERT INTO dead_letter_history (letter_id, event, at, detail)
    SELECT id, 'resolved', at, 'published by its own client' FROM changed ORDER BY at, id""")
_STATEMENTS = {
    outcome: _APPLY.format(state=_STATES[outcome], event=outcome, applies=applies)
    for outcome, applies in ((REVOKED, _IS_REVOKED), (RESOLVED, _SUCCEEDS))
}


def apply(connection: Connection[Any], outcomes: Sequence[Outcome]) -> int:
    """Write outcomes to their letters, in the caller's transaction; returns how many changed one.

    An outcome that is told again, that an older replay had, or whose letter is not there changes nothing: a
    replay is only made of a letter that is there, and if PostgreSQL was lost, so was that.
    """
    outcomes = [each for each in outcomes if _can_be(each)]
    with nested(connection):
        connection.execute(_LOCK, (sorted({each.letter_id for each in outcomes}),))
        return sum(
            _apply(connection, statement, [each for each in outcomes if each.outcome == outcome])
            for outcome, statement in _STATEMENTS.items()
        )


def _can_be(outcome: Outcome) -> bool:
    return identity(outcome.letter_id) == outcome.letter_id and 0 < outcome.replay < _MOST_REPLAYS


def _apply(connection: Connection[Any], statement: sql.Composed, outcomes: Sequence[Outcome]) -> int:
    if not outcomes:
        return 0
    columns = (
        [each.letter_id for each in outcomes],
        [each.replay for each in outcomes],
        [writable(each.at) for each in outcomes],
    )
    return max(connection.execute(statement, columns).rowcount, 0)


def publish(connection: Connection[Any], told: Sequence[Outcome]) -> tuple[int, set[str]]:
    """Resolve the letters of events that their clients have published, in the caller's transaction.

    Returns how many it changed, and the ids of those letters that are not here yet: they are on their way.
    """
    told = [each for each in told if identity(each.letter_id) == each.letter_id]
    ids = sorted({each.letter_id for each in told})
    if not ids:
        return 0, set()
    with nested(connection):
        known = {row[0] for row in connection.execute(_LOCK, (ids,)).fetchall()}
        columns = [each.letter_id for each in told], [writable(each.at) for each in told]
        changed = max(connection.execute(_PUBLISHED, columns).rowcount, 0)
    return changed, set(ids) - known
