"""Finds a task's dead letters that wait in PostgreSQL for Kafka; none is taken."""

from __future__ import annotations

from typing import Any, LiteralString

from psycopg import Connection
from psycopg.errors import UndefinedTable

from orchestrator import redaction
from orchestrator.queues.placed import Placed, dead, is_of
from orchestrator.queues.searching import ways_to_write

_MOST = 100
# A message that could not be read may name its task all the same.
_ROWS: LiteralString = """
    SELECT fields, raw, error FROM outbox_overflow
    WHERE fields ->> 'task_id' = %(task_id)s
       OR (coalesce(fields ->> 'task_id', '') = ''
           AND EXISTS (SELECT FROM unnest(%(texts)s::bytea[]) AS t (text) WHERE position(t.text IN raw) > 0))
    ORDER BY position LIMIT %(most)s"""
# All rows are looked at. There are none as long as Kafka is there.
_PATIENCE: LiteralString = "SET statement_timeout = '15s'"


def find(connection: Connection[Any], task_id: str) -> list[Placed]:
    """The task's letters there, the oldest first, 100 at most; none where there is no such table yet."""
    asked = {"task_id": task_id, "texts": ways_to_write(task_id), "most": _MOST}
    connection.execute(_PATIENCE)
    try:
        rows = connection.execute(_ROWS, asked).fetchall()
    except UndefinedTable:
        return []
    return [
        dead(fields, raw, is_in_postgresql=True, kafka_error=redaction.printable(error))
        for fields, raw, error in rows
        if fields.get("task_id") or is_of(task_id, raw)
    ]
