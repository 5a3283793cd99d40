"""The task that deletes what is older than OMNINODE_RETENTION_DAYS; dead letters have days of their own."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import shared_task
from psycopg import Connection, sql

from orchestrator import postgres, settings
from orchestrator.index.retention import delete_old

_logger = logging.getLogger(__name__)

# Table → the column that says how old a row is. Never `staged_tasks`: that is work which is not yet sent.
AGED = {
    "hook_events": "settled_at",
    "model_calls": "started_at",
    "texts": "stored_at",
    "resources": "stored_at",
}
# Small enough not to hold up others; the rest of a large backlog is left to the next run.
BATCH_ROWS = 5_000
BATCHES_PER_TABLE = 100
# Any constant will do, as long as it stays and is nobody else's: it names the lock in the database.
_LOCK_ID = 0x6F6D6E72


@shared_task(name="omninode.admin.enforce_retention")
def enforce_retention() -> dict[str, int]:
    """Delete what is too old, oldest first, one transaction a batch; returns the number of rows by table.

    Only one run works at a time: another returns an empty dictionary at once.
    """
    chosen = settings.current()
    with postgres.session() as connection, _only_one(connection) as alone:
        if not alone:
            _logger.info("another run enforces the retention already")
            return {}
        deleted = {table: _delete_older(connection, table, chosen.retention_days) for table in AGED}
        return deleted | {"dead_letters": delete_old(connection, chosen.dlq_retention_days)}


@contextmanager
def _only_one(connection: Connection[Any]) -> Iterator[bool]:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK_ID,)).fetchone()
    is_alone = bool(row and row[0])
    yield is_alone
    # After an exception the server lets go of it with the connection, though a moment later than that.
    if is_alone:
        connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK_ID,))


def _delete_older(connection: Connection[Any], table: str, days: float) -> int:
    statement = sql.SQL(
        "DELETE FROM {table} WHERE ctid = ANY (ARRAY("
        " SELECT ctid FROM {table} WHERE {column} < clock_timestamp() - make_interval(secs => %s)"
        " ORDER BY {column} LIMIT %s FOR UPDATE SKIP LOCKED))"
    ).format(table=sql.Identifier(table), column=sql.Identifier(AGED[table]))
    deleted = 0
    for _ in range(BATCHES_PER_TABLE):
        batch = connection.execute(statement, (days * 86_400, BATCH_ROWS)).rowcount
        deleted += batch
        if batch < BATCH_ROWS:
            break
    return deleted
