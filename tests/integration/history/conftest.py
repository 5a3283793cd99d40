"""Settings of a database that the tests of a module share, and a decoding client of the test's Redis."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from redis import Redis

from orchestrator import broker
from orchestrator.settings import Settings
from tests.servers import empty_tables, environment_of

if TYPE_CHECKING:
    from orchestrator.dev.stack import Addresses


@pytest.fixture
def environment(stack: "Addresses", redis_url: str, module_database: str) -> Iterator[Settings]:
    with environment_of(stack, redis_url, module_database) as settings:
        empty_tables(module_database)
        yield settings


@pytest.fixture
def database(environment: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(environment.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def client(environment: Settings) -> Iterator[Redis]:
    with broker.client(environment, decode=True) as client:
        yield client
