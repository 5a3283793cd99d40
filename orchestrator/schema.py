"""Brings the database's schema up to date, once, however many processes start at the same moment."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from orchestrator import postgres, redaction, settings
from orchestrator.errors import SchemaError

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any constant will do, as long as it stays: it names the lock in the database.
LOCK_ID = 0x6F6D6E69
LOCK_SECONDS = 60
_HOLDERS = """
    SELECT format('%%s (process %%s of the server)', coalesce(nullif(application_name, ''), 'unnamed'), a.pid)
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.objid = %s AND l.granted"""


def migrate(database_url: str) -> list[str]:
    """Apply the migrations that are missing; returns their names.

    An advisory lock makes other processes wait, and the server lets go of it when its owner dies.

    Raises:
        SchemaError: the server cannot be reached, or refused a migration.
    """
    shown = redaction.text(database_url)
    try:
        with postgres.connect(database_url) as connection, _lock(connection):
            return _apply(database_url)
    except SchemaError:
        raise
    except psycopg.OperationalError as error:
        raise SchemaError(_about_an_absent_server(shown, error)) from error
    except psycopg.errors.FeatureNotSupported as error:
        raise SchemaError(
            f"the PostgreSQL at {shown} needs the extension `vector` (pgvector): {error}"
        ) from error
    except Exception as error:
        raise SchemaError(f"cannot bring the schema at {shown} up to date: {error}") from error


def _about_an_absent_server(shown: str, error: Exception) -> str:
    named = "database_url" in settings.current().model_fields_set
    hint = (
        "is it running, and is DATABASE_URL right?"
        if named
        else 'DATABASE_URL is not set: start `omninode dev`, then eval "$(omninode stack status --export)"'
    )
    return f"PostgreSQL does not answer at {shown}; {hint} ({str(error).strip()})"


@contextmanager
def _lock(connection: psycopg.Connection[psycopg.rows.TupleRow]) -> Iterator[None]:
    connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK_ID,))
    except psycopg.errors.LockNotAvailable:
        raise SchemaError(
            f"another process has been at it for {LOCK_SECONDS} s: {_holders(connection)}"
        ) from None
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK_ID,))


def _holders(connection: psycopg.Connection[psycopg.rows.TupleRow]) -> str:
    return ", ".join(row[0] for row in connection.execute(_HOLDERS, (LOCK_ID,))) or "it has just ended"


def _apply(database_url: str) -> list[str]:
    # yoyo is slow to import and is needed once, at start.
    from yoyo import get_backend, read_migrations  # noqa: PLC0415

    logging.getLogger("yoyo").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backend = get_backend(yoyo_url(database_url))
        try:
            missing = backend.to_apply(read_migrations(str(_MIGRATIONS)))
            # yoyo's own lock is a row that a killed process leaves behind: the advisory lock does its work.
            backend.apply_migrations(missing)
            return [migration.id for migration in missing]
        finally:
            backend.connection.close()


def yoyo_url(database_url: str) -> str:
    """The same address as yoyo spells it, which wants the driver's name in the scheme."""
    return f"postgresql+psycopg:{database_url.partition(':')[2]}"
