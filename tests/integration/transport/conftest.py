"""A Redis database for the transport's scripts, which answers with bytes, as a worker's does."""

from collections.abc import Iterator

import pytest
from redis import Redis


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as made:
        yield made
