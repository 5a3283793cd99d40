"""Deletes dead letters that are too old, and what belongs to them."""

from __future__ import annotations

from typing import Any, LiteralString

from psycopg import Connection, sql

from orchestrator.postgres import nested

# Small enough not to hold up others; the rest of a large backlog is left to the next run.
BATCH_ROWS = 1_000
BATCHES = 500
_DAY_SECONDS = 86_400
# Kafka deletes whole segments, each a week or more after its first record has become too old.
_KAFKA_IS_LATE_DAYS = 30

# Not the clock's time, for which no index is asked; in no order, for which all of them would be sorted.
# A letter that is being replayed is not old as long as its replay is young.
_OPEN = sql.SQL("""
    (state IN ('open', 'parked') OR state = 'replaying' AND state_at < now() - {age})
    AND died_at < now() - {age}""")
# Counted from when it was closed; none was closed before it died.
_CLOSED = sql.SQL("""
    state IN ('resolved', 'archived')
    AND state_at < now() - {age} AND died_at < now() - {age}""")
_LETTERS = sql.SQL("""
    WITH old AS (
        SELECT id, state, state_at FROM dead_letters WHERE {which}
        LIMIT %(most)s FOR UPDATE SKIP LOCKED
    ), remembered AS (
        INSERT INTO dead_letter_tombstones (id, closed_at)
        SELECT id, state_at FROM old WHERE state IN ('resolved', 'archived')
        ON CONFLICT (id) DO UPDATE SET closed_at = excluded.closed_at
    ), messages AS (
        DELETE FROM dead_letter_values v USING dead_letter_deaths d
        WHERE d.letter_id IN (SELECT id FROM old) AND v.id = d.id
    )
    DELETE FROM dead_letters l USING old WHERE l.id = old.id""")
_AGE = sql.SQL("make_interval(secs => %(seconds)s)")
_OLD_OPEN, _OLD_CLOSED = (_LETTERS.format(which=which.format(age=_AGE)) for which in (_OPEN, _CLOSED))

_REST = sql.SQL("""
    DELETE FROM {table} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {table} t WHERE {column} < clock_timestamp() - make_interval(secs => %(seconds)s)
        AND {unused} LIMIT %(most)s FOR UPDATE SKIP LOCKED))""")


def _rest(table: str, column: str, unused: LiteralString) -> sql.Composed:
    return _REST.format(
        table=sql.Identifier(table),
        column=sql.Identifier(column),
        unused=sql.SQL(unused),
    )


_VALUES = _rest(
    "dead_letter_values",
    "stored_at",
    "NOT EXISTS (SELECT FROM dead_letter_deaths d WHERE d.id = t.id)",
)
_BATCHES = _rest(
    "replay_batches",
    "created_at",
    "NOT EXISTS (SELECT FROM dead_letters l WHERE l.batch_id = t.id)",
)
_OPERATIONS = _rest(
    "dead_letter_operations",
    "started_at",
    "NOT EXISTS (SELECT FROM replay_batches b WHERE b.operation_id = t.id)",
)
_TOMBSTONES = _rest("dead_letter_tombstones", "closed_at", "true")


def delete_old(connection: Connection[Any], days: float) -> int:
    """Delete letters that died more than `days` ago, closed ones a third of that after they were closed.

    A closed letter that Kafka still has is remembered by its id, so that no rebuilt index opens it anew.
    What was done to letters is kept for twice as long. One transaction a batch; returns how many letters.
    """
    letters = _in_batches(connection, _OLD_CLOSED, days / 3) + _in_batches(connection, _OLD_OPEN, days)
    _in_batches(connection, _VALUES, days)
    for statement in (_BATCHES, _OPERATIONS):
        _in_batches(connection, statement, 2 * days)
    _in_batches(connection, _TOMBSTONES, days + _KAFKA_IS_LATE_DAYS)
    return letters


def _in_batches(connection: Connection[Any], statement: sql.Composed, days: float) -> int:
    parameters = {"seconds": days * _DAY_SECONDS, "most": BATCH_ROWS}
    deleted = 0
    for _ in range(BATCHES):
        with nested(connection):
            batch = connection.execute(statement, parameters).rowcount
        deleted += batch
        if batch < BATCH_ROWS:
            break
    return deleted
