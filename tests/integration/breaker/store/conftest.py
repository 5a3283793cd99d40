"""A Redis of the test's own, and the breakers in it: on its own clock, or on one that the test sets."""

from collections.abc import Iterator

import pytest
from redis import Redis

from orchestrator import redis
from orchestrator.breaker.store import Store
from tests.integration.breaker.store.clocked import Clocked


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    """A client of it."""
    with redis.connect(redis_url) as made:
        yield made


@pytest.fixture
def store(client: Redis) -> Store:
    """The breakers, without jitter."""
    return Store(client, "p:", chance=lambda: 0.0)


@pytest.fixture
def clocked(client: Redis) -> Clocked:
    """The breakers on the test's clock, without jitter."""
    return Clocked(client, "p:")
