"""A topic of a test's own, and the outbox that letters of events come to."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from redis import Redis

from orchestrator import broker
from orchestrator.settings import Settings


@pytest.fixture
def topic() -> str:
    return f"events-{uuid4().hex[:8]}"


@pytest.fixture
def outbox(environment: Settings) -> Iterator[Redis]:
    with broker.client(environment) as client:
        yield client
