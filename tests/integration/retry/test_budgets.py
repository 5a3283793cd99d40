"""Several processes' budgets and experience on one real Redis, each with a clock that the test turns."""

import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from redis.exceptions import RedisError

from orchestrator import keys, redis, settings
from orchestrator.retry import budget
from orchestrator.retry.budgets import Budgets
from orchestrator.retry.exchanging import Exchanger
from orchestrator.retry.experience import Experience
from orchestrator.retry.odds import Failure, Odds
from orchestrator.retry.plan import Terms
from orchestrator.settings import Settings
from tests.processes import wait_until

_FAILURE = Failure("shop.pay", "ValueError", 1)


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    settings.use(Settings(redis_url=redis_url))
    with redis.connect(redis_url) as connected:
        yield connected
    settings.forget()


def _process(seed: int = 1, share: float = 0.2, floor: int = 10, wrong_seconds: float = 0.0) -> Budgets:
    return Budgets(Terms(share, floor), Random(seed), wall_clock=lambda: time.time() + wrong_seconds)


def _made(process: Budgets, retries: int, delay_seconds: float = 0.0) -> int:
    """How many of these retries are made when they ask to be."""
    return sum(not process.place("shop", delay_seconds)[1] for _ in range(retries))


def test_two_processes_together_keep_to_one_budget(client: Any) -> None:
    both = [_process(1), _process(2)]
    for process in both:
        for _ in range(100):
            process.note_first("shop")
        process.exchange(client, "")
    both[0].exchange(client, "")

    made = 0
    for _ in range(8):
        for process in both:
            made += _made(process, 20)
        for process in both:
            process.exchange(client, "")

    assert made == 50
    counted = budget.read(client, "", "shop")
    assert (counted.first_attempts, counted.allowed) == (200, 50.0)
    assert (counted.retries, counted.delayed, counted.waiting) == (50, 270, 270)


def test_what_a_process_has_planned_another_one_knows(client: Any) -> None:
    first, second = _process(1), _process(2)
    assert _made(first, 30) == 10
    first.exchange(client, "")
    second.note_first("shop")
    second.exchange(client, "")

    assert _made(second, 5) == 0


def test_a_process_whose_host_is_an_hour_off_counts_in_the_fleet_s_time(client: Any) -> None:
    late = _process(wrong_seconds=-3600.0)
    late.note_first("shop")
    _made(late, 3)
    late.exchange(client, "")
    late.note_first("shop")
    late.exchange(client, "")

    counted = budget.read(client, "", "shop")
    assert (counted.first_attempts, counted.retries) == (2, 3)


def test_without_redis_a_process_goes_by_its_own_counts_and_tells_them_later(client: Any) -> None:
    process = _process()
    process.note_first("shop")
    with redis.connect("redis://127.0.0.1:1/0", retries=0) as away, pytest.raises(RedisError):
        process.exchange(away, "")
    assert _made(process, 15) == 10
    process.exchange(client, "")

    counted = budget.read(client, "", "shop")
    assert (counted.first_attempts, counted.retries, counted.delayed) == (1, 10, 5)


def test_a_key_of_another_type_harms_its_own_dependency_alone(client: Any) -> None:
    client.set(keys.retry_budget("odd"), "text")
    process = _process()
    process.note_first("odd")
    process.note_first("shop")
    for _ in range(3):
        process.exchange(client, "")

    assert budget.read(client, "", "shop").first_attempts == 1


def test_counts_are_kept_for_minutes_and_their_key_expires(client: Any) -> None:
    key = keys.retry_budget("shop", "app:")
    client.hset(key, mapping={"first:1": 5, "process:gone": 1, "not ours": "x"})
    process = _process()
    process.note_first("shop")
    process.exchange(client, "app:")

    names = {name.partition(":")[0]: name for name in client.hkeys(key)}
    assert "first:1" not in names.values()
    assert names["process"] == f"process:{process.process}"
    assert 890 <= client.ttl(key) <= 900


def test_a_dependency_that_nobody_uses_any_more_is_not_asked_for(client: Any) -> None:
    now = [100.0]
    process = Budgets(Terms(0.2, 10), Random(1), clock=lambda: now[0])
    for number in range(1100):
        process.note_first(f"shop {number}")
    process.exchange(client, "")
    assert len(client.keys("*")) == 1000

    now[0] += 121
    process.exchange(client, "")
    assert not process.is_busy


def test_odds_are_the_fleet_s_and_last_for_thirty_days(client: Any) -> None:
    first, second = Experience(Random(1)), Experience(Random(2))
    for _ in range(300):
        first.note(_FAILURE, paid=False)
    first.exchange(client, "")
    second.note(_FAILURE, paid=True)
    second.exchange(client, "")
    first.odds(_FAILURE)
    first.exchange(client, "")

    assert first.odds(_FAILURE) == second.odds(_FAILURE) == Odds(1, 300)
    assert client.hgetall(keys.retry_odds("shop.pay")) == {
        "ValueError|1|paid": "1",
        "ValueError|1|vain": "300",
    }
    assert 2_591_000 < client.ttl(keys.retry_odds("shop.pay")) <= 2_592_000


def test_odds_that_redis_did_not_hear_are_told_later(client: Any) -> None:
    experience = Experience(Random(1))
    experience.note(_FAILURE, paid=True)
    with redis.connect("redis://127.0.0.1:1/0", retries=0) as away, pytest.raises(RedisError):
        experience.exchange(away, "")
    experience.exchange(client, "")
    experience.exchange(client, "")

    assert client.hgetall(keys.retry_odds("shop.pay")) == {"ValueError|1|paid": "1"}


def test_the_thread_exchanges_what_became_busy_and_the_rest_as_it_ends(client: Any, redis_url: str) -> None:
    budgets, experience = _process(), Experience(Random(1))
    exchanger = Exchanger(redis_url, "", (budgets, 1000.0), (experience, 1000.0))
    exchanger.start()
    budgets.note_first("shop")
    exchanger.keep_going()
    wait_until(lambda: budget.read(client, "", "shop").first_attempts == 1, what="the first exchange")
    budgets.note_first("shop")
    experience.note(_FAILURE, paid=True)
    exchanger.close()

    assert budget.read(client, "", "shop").first_attempts == 2
    assert client.hlen(keys.retry_odds("shop.pay")) == 1
