"""Real servers for every test that asks for them: one stack a run, a database and a clean Redis a test."""

import json
import os
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from orchestrator import redis, schema, settings
from orchestrator.settings import Settings
from tests.processes import Worker, start_worker

if TYPE_CHECKING:
    from orchestrator.dev.stack import Addresses

# Several runs may share the servers of OMNINODE_TEST_STACK at the same time.
_TEMPLATE = f"omninode_template_{os.getpid()}"
_REDIS_DATABASE = 1 + os.getpid() % 15


@pytest.fixture(scope="session")
def stack() -> Iterator["Addresses"]:
    """The servers: those of OMNINODE_TEST_STACK (the output of `omninode stack start --json`), or our own."""
    # Unit tests need no server, and so do not wait for the import of one.
    from orchestrator.dev.stack import Addresses, running  # noqa: PLC0415

    given = os.environ.get("OMNINODE_TEST_STACK")
    if given:
        yield Addresses(**json.loads(given))
        return
    with running() as addresses:
        yield addresses


@pytest.fixture(scope="session")
def _template(stack: "Addresses") -> Iterator[str]:
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {_TEMPLATE}")
        schema.migrate(_database(stack.database_url, _TEMPLATE))
        yield _TEMPLATE
        connection.execute(f"DROP DATABASE {_TEMPLATE} WITH (FORCE)")


@pytest.fixture
def database_url(stack: "Addresses", _template: str) -> Iterator[str]:
    """A database of this test's own, with the schema in it."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(_template))
        )
        yield _database(stack.database_url, name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def redis_url(stack: "Addresses") -> Iterator[str]:
    """A Redis database with nothing in it."""
    url = _database(stack.redis_url, str(_REDIS_DATABASE))
    with redis.connect(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to this test's database, in autocommit mode."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def environment(
    stack: "Addresses", redis_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """The environment of this test's servers, for this process and for those that it starts."""
    variables = stack.environment() | {"REDIS_URL": redis_url, "DATABASE_URL": database_url}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    yield settings.use(settings.load())
    settings.forget()


@pytest.fixture
def worker(environment: Settings) -> Iterator[Worker]:
    """A real worker on this test's servers, serving every queue."""
    with start_worker() as running_worker:
        yield running_worker


def _database(url: str, name: str) -> str:
    return url.rsplit("/", 1)[0] + "/" + name
