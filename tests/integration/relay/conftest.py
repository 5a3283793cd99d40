"""What tests of the relay share: settings with a suffix of their own, and the outbox that lies there."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from redis import Redis

from orchestrator.dev.stack import Addresses
from orchestrator.relay import broker
from orchestrator.settings import Settings
from tests.servers import empty_tables, fresh_database


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


@pytest.fixture
def database_url(module_database: str) -> str:
    """The module's database, with nothing but the schema in it."""
    empty_tables(module_database)
    return module_database
