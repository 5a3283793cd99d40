"""The schema is brought up to date once, and nobody waits for ever."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from orchestrator import schema, settings
from orchestrator.dev.stack import Addresses
from orchestrator.errors import SchemaError
from tests.servers import empty_database


def test_many_processes_that_start_at_once_migrate_once(stack: Addresses) -> None:
    with empty_database(stack.database_url) as url, ThreadPoolExecutor(8) as pool:
        applied = list(pool.map(schema.migrate, [url] * 8))

        assert sorted(applied) == [[]] * 7 + [["0001.hooks-and-models", "0002.dead-letters", "0003.metrics"]]


def test_a_migrator_that_was_killed_leaves_no_lock(stack: Addresses) -> None:
    with empty_database(stack.database_url) as url:
        with psycopg.connect(url, autocommit=True) as dies:
            dies.execute("SELECT pg_advisory_lock(%s)", (schema.LOCK_ID,))
            dies.pgconn.finish()

        assert schema.migrate(url) == ["0001.hooks-and-models", "0002.dead-letters", "0003.metrics"]


def test_somebody_who_holds_the_lock_for_long_is_named(
    stack: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "LOCK_SECONDS", 1)
    with (
        empty_database(stack.database_url) as url,
        psycopg.connect(url, autocommit=True, application_name="the slow one") as holder,
    ):
        holder.execute("SELECT pg_advisory_lock(%s)", (schema.LOCK_ID,))

        with pytest.raises(SchemaError, match=r"for 1 s: the slow one \(process \d+ of the server\)"):
            schema.migrate(url)


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    with pytest.raises(SchemaError) as refused:
        schema.migrate("postgresql://me:LEAK@127.0.0.1:1/db")

    assert "postgresql://me:****@127.0.0.1:1/db" in str(refused.value)
    assert "LEAK" not in str(refused.value)


def test_a_database_on_a_socket_keeps_its_address() -> None:
    assert schema.yoyo_url("postgresql:///db?host=/tmp") == "postgresql+psycopg:///db?host=/tmp"


def test_a_forgotten_address_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    settings.forget()

    with pytest.raises(SchemaError, match="DATABASE_URL is not set: start `omninode dev`, then eval"):
        schema.migrate("postgresql://127.0.0.1:1/postgres")

    settings.forget()
