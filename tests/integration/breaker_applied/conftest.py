"""What tests of the applied breakers share: a database for each module, and the breakers in Redis."""

from collections.abc import Iterator

import pytest

from orchestrator import redis
from orchestrator.breaker.store import Store
from orchestrator.settings import Settings
from tests.servers import empty_tables


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
