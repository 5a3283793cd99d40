"""What tests of the applied breakers share: a database for each module, and the breakers in Redis."""

from collections.abc import Iterator

import pytest

from orchestrator import redis
from orchestrator.breaker.store import Store
from orchestrator.dev.stack import Addresses
from orchestrator.settings import Settings
from tests.servers import empty_tables, fresh_database


@pytest.fixture(scope="module")
def module_database(stack: Addresses, template: str) -> Iterator[str]:
    """A database for all tests of a module: to empty it is cheaper than to make one."""
    with fresh_database(stack.database_url, template) as url:
        yield url


@pytest.fixture
def database_url(module_database: str) -> str:
    """The module's database, with nothing but the schema in it."""
    empty_tables(module_database)
    return module_database


@pytest.fixture
def store(environment: Settings) -> Iterator[Store]:
    """The breakers of this test's Redis."""
    with redis.connect(environment.redis_url) as client:
        yield Store(client)
