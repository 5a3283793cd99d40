"""Brings the database's schema up to date, once, however many processes start at the same moment."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from orchestrator import postgres, redaction
from orchestrator.errors import SchemaError

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any constant will do, as long as it stays: it names the lock in the database.
_LOCK_ID = 0x6F6D6E69
_LOCK_SECONDS = 60
_HOLDERS = """
    SELECT format('%s (process %s of the server)', coalesce(nullif(application_name, ''), 'unnamed'), a.pid)
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.objid = %s AND l.granted"""


def migrate(database_url: str) -> list[str]:
    """Apply the migrations that are missing; returns their names.

    An advisory lock makes other processes wait, and the server lets go of it when its owner dies.

    Raises:
        SchemaError: the server cannot be reached, or refused a migration.
    """
    try:
        with postgres.connect(database_url) as connection, _lock(connection):
            return _apply(database_url)
    except Exception as error:
        raise SchemaError(
            f"cannot bring the schema at {redaction.text(database_url)} up to date: {error} "
            "(PostgreSQL 15 or later with the extension `vector` is needed)"
        ) from error


@contextmanager
def _lock(connection: psycopg.Connection[psycopg.rows.TupleRow]) -> Iterator[None]:
    connection.execute(f"SET lock_timeout = '{_LOCK_SECONDS}s'")
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK_ID,))
    except psycopg.errors.LockNotAvailable:
        raise SchemaError(
            f"another process has been at it for {_LOCK_SECONDS} s: {_holders(connection)}"
        ) from None
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK_ID,))


def _holders(connection: psycopg.Connection[psycopg.rows.TupleRow]) -> str:
    return ", ".join(row[0] for row in connection.execute(_HOLDERS, (_LOCK_ID,))) or "it has just ended"


def _apply(database_url: str) -> list[str]:
    # yoyo is slow to import and is needed once, at start.
    from yoyo import get_backend, read_migrations  # noqa: PLC0415

    logging.getLogger("yoyo").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backend = get_backend(_yoyo_url(database_url))
        try:
            missing = backend.to_apply(read_migrations(str(_MIGRATIONS)))
            # yoyo's own lock is a row that a killed process leaves behind: the advisory lock does its work.
            backend.apply_migrations(missing)
            return [migration.id for migration in missing]
        finally:
            backend.connection.close()


def _yoyo_url(database_url: str) -> str:
    return f"postgresql+psycopg:{database_url.partition(':')[2]}"
