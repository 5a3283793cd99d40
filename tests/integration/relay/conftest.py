"""What tests of the relay share: settings with a suffix of their own, and the outbox that lies there."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from redis import Redis

from orchestrator.relay import broker
from orchestrator.settings import Settings


@pytest.fixture
def settings(environment: Settings) -> Settings:
    """This test's servers; its topics are told apart by their suffix."""
    return environment.model_copy(update={"kafka_dlq_suffix": f".dlq-{uuid4().hex[:8]}"})


@pytest.fixture
def client(settings: Settings) -> Iterator[Redis]:
    """The Redis of the outbox; it does not decode."""
    with broker.client(settings) as connected:
        yield connected
