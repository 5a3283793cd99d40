"""What the tests of one file share: servers that nobody else uses, and apps that send to them."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from orchestrator import redis
from orchestrator.dev.stack import Addresses
from orchestrator.settings import Settings
from tests.acceptance.shared_place import app_in, place


@pytest.fixture(scope="module")
def environment(stack: Addresses, template: str) -> Iterator[Settings]:
    with place(stack, template) as settings:
        yield settings


@pytest.fixture(scope="module")
def server(environment: Settings) -> Iterator[Any]:
    with redis.connect(environment.redis_url) as client:
        yield client


@pytest.fixture(scope="module")
def app(environment: Settings) -> Iterator[Celery]:
    with app_in(environment) as made:
        yield made
