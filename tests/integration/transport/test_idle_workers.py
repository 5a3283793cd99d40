"""Of the idle workers of the same queues three keep watch, and the others are woken one at a time."""

from typing import Any

import pytest
from redis import Redis

from orchestrator import keys
from orchestrator.transport.exchange import NOT_WAITING, RESERVE, SENTRY, SETTLE_ONLY
from orchestrator.transport.keys import group_of
from tests.integration.transport.places import KEYS, PREFIX, list_of, run
from tests.integration.transport.workers import Worker

_LIST = list_of("a")
_GROUP = group_of(Worker(Redis(), "any").lists())
_SENTRIES, _RESERVES = keys.sentries(_GROUP, PREFIX), keys.reserves(_GROUP, PREFIX)
_WAIT_MS = 60_000


@pytest.fixture
def idle(client: Redis) -> list[Worker]:
    """Five workers that found nothing, one after another: w0, w1 and w2 keep watch."""
    workers = [Worker(client, f"w{at}") for at in range(5)]
    for worker in workers:
        worker.exchange(1, wait_ms=_WAIT_MS)
    # Who waits longest is woken first, and here they all began in the same moment.
    client.zadd(_RESERVES, {"w3": _until(client, _WAIT_MS), "w4": _until(client, 2 * _WAIT_MS)}, xx=True)
    return workers


def test_three_idle_workers_are_sentries_and_the_others_reserves(client: Redis, idle: list[Worker]) -> None:
    assert [worker.role for worker in idle] == [SENTRY, SENTRY, SENTRY, RESERVE, RESERVE]
    assert client.zcard(_SENTRIES) == 3
    assert client.zcard(_RESERVES) == 2


def test_who_looks_again_in_vain_keeps_its_role(client: Redis, idle: list[Worker]) -> None:
    for worker in reversed(idle):
        worker.exchange(1, wait_ms=_WAIT_MS)

    assert [worker.role for worker in idle] == [SENTRY, SENTRY, SENTRY, RESERVE, RESERVE]


def test_workers_of_other_queues_have_sentries_of_their_own(client: Redis, idle: list[Worker]) -> None:
    other = Worker(client, "other", ("b",))

    other.exchange(1, wait_ms=_WAIT_MS)

    assert other.role == SENTRY


def test_the_order_of_its_queues_makes_no_other_group(client: Redis, idle: list[Worker]) -> None:
    assert group_of(["a", "b"]) == group_of(["b", "a"])
    assert group_of(["a", "b"]) != group_of(["a"])


def test_a_sentry_that_finds_work_wakes_the_reserve_that_waits_longest(
    client: Redis, idle: list[Worker]
) -> None:
    client.lpush(_LIST, "work")

    answer = idle[0].exchange(1, wait_ms=_WAIT_MS)

    assert len(answer.messages) == 1
    assert idle[0].role == NOT_WAITING
    assert _woken(client, idle) == ["w3"]
    assert _names(client, _RESERVES) == ["w4"]


def test_a_woken_reserve_takes_the_sentrys_place(client: Redis, idle: list[Worker]) -> None:
    client.lpush(_LIST, "work")
    idle[0].exchange(1, wait_ms=_WAIT_MS)

    idle[3].exchange(1, wait_ms=_WAIT_MS)

    assert idle[3].role == SENTRY
    assert _names(client, _SENTRIES) == ["w1", "w2", "w3"]
    assert _woken(client, idle) == []


def test_each_worker_that_leaves_messages_over_wakes_one_more(client: Redis, idle: list[Worker]) -> None:
    client.lpush(_LIST, "one", "two", "three")

    idle[0].exchange(1, wait_ms=_WAIT_MS)
    idle[3].exchange(1, wait_ms=_WAIT_MS)

    assert _woken(client, idle) == ["w4"]
    assert len(idle[4].exchange(1, wait_ms=_WAIT_MS).messages) == 1


def test_a_busy_worker_that_leaves_messages_over_wakes_a_reserve(client: Redis, idle: list[Worker]) -> None:
    client.lpush(_LIST, "one", "two")

    Worker(client, "busy").exchange(1, wait_ms=_WAIT_MS)

    assert _woken(client, idle) == ["w3"]


def test_a_sentry_with_room_left_after_its_work_stays_one(client: Redis, idle: list[Worker]) -> None:
    client.lpush(_LIST, "work")

    assert len(idle[0].exchange(2, wait_ms=_WAIT_MS).messages) == 1

    assert idle[0].role == SENTRY
    assert _woken(client, idle) == []


def test_a_sentry_that_has_gone_is_replaced(client: Redis, idle: list[Worker]) -> None:
    client.zadd(_SENTRIES, {"w1": 1})

    idle[4].exchange(1, wait_ms=_WAIT_MS)

    assert idle[4].role == SENTRY
    assert _names(client, _SENTRIES) == ["w0", "w2", "w4"]
    assert _names(client, _RESERVES) == ["w3"]


def test_a_reserve_that_has_gone_is_not_woken_in_a_living_ones_stead(
    client: Redis, idle: list[Worker]
) -> None:
    client.zadd(_RESERVES, {"w3": 1})
    client.lpush(_LIST, "work")

    idle[0].exchange(1, wait_ms=_WAIT_MS)

    assert _woken(client, idle) == ["w4"]


def test_a_reserve_that_has_gone_is_forgotten(client: Redis, idle: list[Worker]) -> None:
    client.zadd(_RESERVES, {"w3": 1})

    idle[4].exchange(1, wait_ms=_WAIT_MS)

    assert _names(client, _RESERVES) == ["w4"]


def test_a_sentry_that_can_start_nothing_leaves_its_place_and_wakes_a_reserve(
    client: Redis, idle: list[Worker]
) -> None:
    idle[0].exchange(1, 0, wait_ms=_WAIT_MS)

    assert idle[0].role == NOT_WAITING
    assert _names(client, _SENTRIES) == ["w1", "w2"]
    assert _woken(client, idle) == ["w3"]


def test_a_woken_reserve_that_can_start_nothing_wakes_the_next_one(client: Redis, idle: list[Worker]) -> None:
    client.lpush(_LIST, "one", "two")
    idle[0].exchange(1, wait_ms=_WAIT_MS)

    idle[3].exchange(1, 0, wait_ms=_WAIT_MS)

    assert _woken(client, idle) == ["w4"]


def test_while_others_are_idle_nobody_takes_more_than_it_can_start(client: Redis, idle: list[Worker]) -> None:
    client.lpush(_LIST, *range(10))

    assert len(Worker(client, "busy").exchange(10, 2, wait_ms=_WAIT_MS).messages) == 2


def test_workers_that_have_gone_keep_nobody_from_laying_messages_by(
    client: Redis, idle: list[Worker]
) -> None:
    gone: dict[Any, Any] = {worker.ledger.nonce: 1 for worker in idle}
    client.zadd(_SENTRIES, gone, xx=True)
    client.zadd(_RESERVES, gone, xx=True)
    client.lpush(_LIST, *range(10))

    assert len(Worker(client, "busy").exchange(10, 2, wait_ms=_WAIT_MS).messages) == 10


def test_a_worker_whose_link_was_cut_is_not_held_to_be_idle_beside_itself(client: Redis) -> None:
    alone = Worker(client, "alone")
    alone.exchange(1, wait_ms=_WAIT_MS)
    alone.miss(SETTLE_ONLY, alone.ledger.take())
    client.lpush(_LIST, *range(10))

    assert len(alone.exchange(10, 2, wait_ms=_WAIT_MS).messages) == 10


def test_a_reserve_watches_its_own_key_alone(client: Redis, idle: list[Worker]) -> None:
    lists = idle[3].lists()
    names = KEYS.watch("w3", lists, sentry=False)
    client.lpush(_LIST, "work")

    assert set(names) == {f"{_RESERVES}:w3"}
    assert run(client, "watch", names, ())[2] == 0
    idle[0].exchange(1, wait_ms=_WAIT_MS)
    assert run(client, "watch", names, ())[2] == 1


def test_a_wake_that_nobody_hears_does_not_stay(client: Redis, idle: list[Worker]) -> None:
    client.lpush(_LIST, "work")

    idle[0].exchange(1, wait_ms=_WAIT_MS)

    assert 0 < client.ttl(f"{_RESERVES}:w3") <= 60


def _woken(client: Redis, idle: list[Worker]) -> list[str]:
    return [worker.ledger.nonce for worker in idle if client.exists(f"{_RESERVES}:{worker.ledger.nonce}")]


def _names(client: Redis, place: str) -> list[str]:
    found: Any = client.zrange(place, 0, -1)
    return sorted(name.decode() for name in found)


def _until(client: Redis, ms: int) -> int:
    seconds: int = client.time()[0]
    return seconds * 1000 + ms
