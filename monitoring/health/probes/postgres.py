"""Is PostgreSQL there, and is its schema the one that this release works with?"""

from importlib.resources import files

import psycopg

from monitoring.health.registry import health_check
from monitoring.health.verdict import Unhealthy
from orchestrator import postgres, settings

_CONNECT_TIMEOUT_SECONDS = 4.0


@health_check("postgresql", critical=True)
def check_postgres() -> str:
    """Connect, and compare the migrations that were applied with those that this release has."""
    url = settings.current().database_url
    try:
        with postgres.connect(url, _CONNECT_TIMEOUT_SECONDS) as connection:
            version = connection.info.server_version // 10_000
            missing = needed_migrations() - _applied_migrations(connection)
    except psycopg.Error as error:
        # The lines after the first only ask what our own question asks.
        reason = str(error).partition("\n")[0]
        sentence = f"does not answer: {reason} (is it running, and is DATABASE_URL right?)"
        raise Unhealthy(sentence) from error
    if missing:
        raise Unhealthy(
            f"its schema lacks {', '.join(sorted(missing))}: start a worker, which brings it up to date"
        )
    return f"PostgreSQL {version}; its schema is up to date"


def needed_migrations() -> set[str]:
    """The names of this release's migrations."""
    folder = files("orchestrator") / "migrations"
    return {file.name.removesuffix(".sql") for file in folder.iterdir() if file.name.endswith(".sql")}


def _applied_migrations(connection: psycopg.Connection[psycopg.rows.TupleRow]) -> set[str]:
    try:
        rows = connection.execute("SELECT migration_id FROM _yoyo_migration").fetchall()
    except psycopg.errors.UndefinedTable:
        return set()
    return {name for (name,) in rows}
