"""A Redis of the file's own, in which each test begins with a fleet that has recorded nothing."""

from collections.abc import Iterator

import pytest
from redis import Redis

from monitoring.rollup import process
from orchestrator import broker, keys
from orchestrator.dev.stack import Addresses
from orchestrator.settings import Settings
from tests.servers import clean_redis, environment_of


@pytest.fixture(scope="module")
def environment(stack: Addresses) -> Iterator[Settings]:
    """No test needs a schema."""
    with (
        clean_redis(stack.redis_url) as redis_url,
        environment_of(stack, redis_url, stack.database_url) as found,
    ):
        yield found


@pytest.fixture
def client(environment: Settings) -> Iterator[Redis]:
    """Reads the fleet's hashes."""
    with broker.client(environment, decode=True) as made:
        forget(made)
        yield made


def forget(client: Redis) -> None:
    """Neither Redis nor this process knows of anything."""
    process.forget()
    for key in client.scan_iter(keys.metrics("*")):
        client.delete(key)
