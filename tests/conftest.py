"""Real servers for every test that asks for them: one stack a run, a database and a clean Redis a test."""

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import structlog

from orchestrator.settings import Settings
from tests.processes import Worker, start_worker
from tests.servers import clean_redis, environment_of, fresh_database, template_database

if TYPE_CHECKING:
    from orchestrator.dev.stack import Addresses

# What takes half a minute or more comes first, so that nobody waits for it at the end. `omninode dev` is held
# to seconds: what begins beside it waits more than it works, and the demo begins when it has ended.
_LONG = (
    "tests/acceptance/test_dev.py",
    "tests/acceptance/test_lost_redis.py",
    "tests/acceptance/test_prometheus.py",
    "tests/acceptance/shared/test_deadlines.py",
    "tests/acceptance/shared/test_alerts.py",
    "tests/acceptance/test_docs.py",
    "tests/acceptance/test_demo.py",
    "tests/acceptance/test_counts.py",
    "tests/integration/transport/test_model.py",
    "tests/acceptance/test_demo_report.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the files: long ones first, those that need no server last."""
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    name = item.nodeid.partition("::")[0]
    if name in _LONG:
        return _LONG.index(name)
    return len(_LONG) + name.startswith("tests/unit/")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Whoever captures log lines configures structlog, which would then print the lines of the next tests."""
    was_configured = structlog.is_configured()
    yield
    if not was_configured:
        structlog.reset_defaults()


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
def template(stack: "Addresses") -> Iterator[str]:
    """The name of a database that only holds the schema."""
    with template_database(stack.database_url) as name:
        yield name


@pytest.fixture(scope="module")
def module_database(stack: "Addresses", template: str) -> Iterator[str]:
    """A database for all tests of a module: to empty it is cheaper than to make one."""
    with fresh_database(stack.database_url, template) as url:
        yield url


@pytest.fixture
def database_url(stack: "Addresses", template: str) -> Iterator[str]:
    """A database of this test's own, with the schema in it."""
    with fresh_database(stack.database_url, template) as url:
        yield url


@pytest.fixture
def redis_url(stack: "Addresses") -> Iterator[str]:
    """A Redis database with nothing in it."""
    with clean_redis(stack.redis_url) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to this test's database, in autocommit mode."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def environment(stack: "Addresses", redis_url: str, database_url: str) -> Iterator[Settings]:
    """The environment of this test's servers, for this process and for those that it starts."""
    with environment_of(stack, redis_url, database_url) as settings:
        yield settings


@pytest.fixture
def worker(environment: Settings) -> Iterator[Worker]:
    """A real worker on this test's servers, serving every queue."""
    with start_worker() as running_worker:
        yield running_worker
