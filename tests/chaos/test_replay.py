"""A replay that is killed again and again enqueues each message once."""

from collections.abc import Iterator

import pytest

from orchestrator.settings import Settings
from tests.killed_replays import kill_replays
from tests.shop import Shop, open_shop


@pytest.fixture
def shop(environment: Settings) -> Iterator[Shop]:
    with open_shop(environment) as opened:
        yield opened


@pytest.mark.parametrize("seed", [1, 2])
def test_twenty_kills_at_random_points_of_five_hundred_letters_lose_and_double_none(
    shop: Shop, seed: int
) -> None:
    outcome = kill_replays(shop, letters=500, kills=20, seed=seed)

    assert outcome.enqueued == {f"task-{number}": 1 for number in range(500)}
    assert outcome.hits >= 10
