"""A database and a Redis of a test's own, on servers that the whole run shares."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from redis import Redis

from monitoring.rollup import process
from orchestrator import postgres, redis, schema, settings
from orchestrator.breaker import hub
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from orchestrator.dev.stack import Addresses

# Longer than any module's tests: what a run that was killed has claimed is free again by itself.
_CLAIM_SECONDS = 3600
# All but those in which the migrations are noted. Most are empty: to look is cheaper than to truncate.
_EMPTY = """
    DO $$ DECLARE name text; has_rows boolean; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename !~ 'yoyo' LOOP
            EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO has_rows;
            IF has_rows THEN EXECUTE format('TRUNCATE %I RESTART IDENTITY CASCADE', name); END IF;
        END LOOP;
    END $$"""
_END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@contextmanager
def template_database(server_url: str) -> Iterator[str]:
    """A database with the schema and nothing else in it, to copy; yields its name."""
    with _database(server_url, f"omninode_template_{os.getpid()}") as url:
        schema.migrate(url)
        yield url.rpartition("/")[2]


@contextmanager
def empty_database(server_url: str) -> Iterator[str]:
    """A database with nothing in it; yields its URL."""
    with _database(server_url, f"test_{uuid.uuid4().hex}") as url:
        yield url


@contextmanager
def fresh_database(server_url: str, template: str) -> Iterator[str]:
    """A copy of the template; yields its URL."""
    with _database(server_url, f"test_{uuid.uuid4().hex}", template) as url:
        yield url


def empty_tables(url: str) -> None:
    """Empty a database whose schema stays, for the next test of its module."""
    with psycopg.connect(url, autocommit=True) as connection:
        # What a process that was killed has left behind may hold a lock.
        connection.execute(_END_OTHERS)
        connection.execute(_EMPTY)


@contextmanager
def clean_redis(server_url: str) -> Iterator[str]:
    """A Redis database with nothing in it that nobody else uses; yields its URL.

    Several runs may share the servers of OMNINODE_TEST_STACK at the same time: database 0 says what is taken.
    """
    server = server_url.rpartition("/")[0]
    with redis.connect(f"{server}/0") as claims:
        number = next((each for each in range(1, 16) if _claim(claims, each)), None)
        assert number, f"every database of {server} is in use: `FLUSHDB` its database 0 if that is not so"
        try:
            with redis.connect(f"{server}/{number}") as client:
                client.flushdb()
                yield f"{server}/{number}"
                client.flushdb()
        finally:
            claims.delete(_claim_key(number))


def _claim(claims: Redis, number: int) -> bool:
    return bool(claims.set(_claim_key(number), os.getpid(), nx=True, ex=_CLAIM_SECONDS))


def _claim_key(number: int) -> str:
    return f"omninode-tests:database:{number}"


@contextmanager
def environment_of(stack: "Addresses", redis_url: str, database_url: str) -> Iterator[Settings]:
    """The environment of these servers, for this process and for those that it starts."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.environment().items():
            patch.setenv(name, value)
        patch.setenv("REDIS_URL", redis_url)
        patch.setenv("DATABASE_URL", database_url)
        yield settings.use(settings.load())
        # The next test's breakers begin anew: its Redis may have the same address, and is an empty one.
        hub.forget()
        _close_pool()
        # What this one has recorded is no other's.
        process.forget()
        settings.forget()


def _close_pool() -> None:
    # Its connections do not outlive the test: whoever finds one that is broken waits a second for another.
    if postgres._pool.cache_info().currsize:  # noqa: SLF001 (a process has one until it ends)
        postgres.pool().close()
        postgres._pool.cache_clear()  # noqa: SLF001


@contextmanager
def _database(server_url: str, name: str, template: str = "template1") -> Iterator[str]:
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(create)
        yield f"{server_url.rpartition('/')[0]}/{name}"
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
