"""A shop whose tasks have died: one for the tests of a file, emptied after each."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.servers import clean_redis, environment_of, fresh_database
from tests.shop import Shop, open_shop

if TYPE_CHECKING:
    from orchestrator.dev.stack import Addresses


@pytest.fixture(scope="module")
def _shop(stack: "Addresses", template: str) -> Iterator[Shop]:
    with (
        fresh_database(stack.database_url, template) as database_url,
        clean_redis(stack.redis_url) as redis_url,
        environment_of(stack, redis_url, database_url) as settings,
        open_shop(settings) as opened,
    ):
        yield opened


@pytest.fixture
def shop(_shop: Shop) -> Iterator[Shop]:
    yield _shop
    _shop.empty()
