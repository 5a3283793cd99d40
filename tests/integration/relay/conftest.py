"""What tests of the relay share: settings with a suffix of their own, and the outbox that lies there."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from redis import Redis

from orchestrator import broker
from orchestrator.dev.stack import Addresses
from orchestrator.relay import process
from orchestrator.relay.kafka import topics
from orchestrator.relay.outbox import figures
from orchestrator.relay.overflow import draining
from orchestrator.settings import Settings
from tests.integration.relay.moved import Place, moving
from tests.servers import clean_redis, empty_tables, environment_of, fresh_database


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is looked at now and then is looked at more often."""
    monkeypatch.setattr(figures, "_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(draining, "_LOOK_AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(topics, "_LOOK_SECONDS", 0.3)
    monkeypatch.setattr(process, "_RETRY_BASE_SECONDS", 0.05)


@pytest.fixture
def settings(environment: Settings) -> Settings:
    """This test's servers; its topics are told apart by their suffix."""
    return environment.model_copy(update={"kafka_dlq_suffix": f".dlq-{uuid4().hex[:8]}"})


@pytest.fixture
def client(settings: Settings) -> Iterator[Redis]:
    """The Redis of the outbox; it does not decode."""
    with broker.client(settings) as connected:
        yield connected


@pytest.fixture(scope="module")
def module_database(stack: Addresses, template: str) -> Iterator[str]:
    """A database for all tests of a module: to empty it is cheaper than to make one."""
    with fresh_database(stack.database_url, template) as url:
        yield url


@pytest.fixture(scope="module")
def moved(stack: Addresses, module_database: str) -> Iterator[Place]:
    """A place where one mover is at work for all tests of a module: its first record takes a second.

    No record may be larger than 65,536 bytes.
    """
    with clean_redis(stack.redis_url) as url, environment_of(stack, url, module_database) as environment:
        chosen = environment.model_copy(
            update={"kafka_dlq_suffix": f".dlq-{uuid4().hex[:8]}", "dlq_max_bytes": 65_536}
        )
        with broker.client(chosen) as connected, moving(chosen):
            yield Place(chosen, connected)


@pytest.fixture
def database_url(module_database: str) -> str:
    """The module's database, with nothing but the schema in it."""
    empty_tables(module_database)
    return module_database
