"""What waits for a breaker: where it is meanwhile, and the order in which it goes on."""

from typing import Any

import pytest
from redis import Redis

from orchestrator.transport.claim import Claim
from tests.integration.transport import places
from tests.integration.transport.places import KEYS, list_of, run
from tests.integration.transport.workers import Worker

_A = list_of("a")
_WAITING = f"{places.ASIDE}openai"


@pytest.fixture
def worker(client: Redis) -> Worker:
    client.set(places.PULSE, int(client.time()[0]) * 1000)
    return Worker(client, "w")


def test_what_waited_goes_on_before_what_came_later_in_its_old_order(client: Redis, worker: Worker) -> None:
    client.lpush(_A, "1", "2", "3")
    worker.exchange(3)
    for claim in worker.held():
        _set_aside(claim, claim.raw.decode())
    worker.exchange()
    client.lpush(_A, "later")

    assert run(client, "release", KEYS.release("openai"), ["openai", "1", "2", "3"]) == [3]

    claimed = [raw for _, raw, _ in worker.exchange(4).messages]
    assert [b'"1"' in claimed[0], b'"2"' in claimed[1], b'"3"' in claimed[2]] == [True] * 3
    assert claimed[3] == b"later"
    assert client.exists(_WAITING, places.ASIDE_MESSAGES, places.ASIDES) == 0


@pytest.mark.usefixtures("worker")
def test_a_probe_is_one_that_somebody_claims_though_others_wait_for_longer(client: Redis) -> None:
    worker = Worker(client, "w", ("a", "b"))
    client.lpush(_A, "1", "2")
    client.lpush(list_of("b"), "3", "4")
    worker.exchange(4)
    for claim in sorted(worker.held(), key=lambda each: each.raw):
        _set_aside(claim, claim.raw.decode())
    worker.exchange()
    names = KEYS.release("openai")[:2]

    assert set(run(client, "probes", names, [1, 7, list_of("b")])) < {b"3", b"4"}
    assert sorted(run(client, "probes", names, [3, 7, list_of("b")])) == [b"3", b"4"]
    assert len(run(client, "probes", names, [1, 7, _A, list_of("b")])) == 1
    # Where nobody says that he claims any of them, it may still be so.
    assert len(set(run(client, "probes", names, [2, 7])) & {b"1", b"2", b"3", b"4"}) == 2


@pytest.mark.usefixtures("worker")
def test_not_always_the_one_that_waits_longest_is_the_probe_and_never_one_far_behind(
    client: Redis, worker: Worker
) -> None:
    client.lpush(_A, *range(120))
    worker.exchange(120)
    for claim in sorted(worker.held(), key=lambda each: int(each.raw)):
        number = int(claim.raw)
        claim.set_aside("openai", 3600 + number, str(number), {"properties": {}})
    worker.exchange()
    names = KEYS.release("openai")[:2]

    chosen = [int(run(client, "probes", names, [1, seed, _A])[0]) for seed in range(50)]

    assert len(set(chosen)) > 20
    assert max(chosen) < 100
    assert chosen[7] == int(run(client, "probes", names, [1, 7, _A])[0])


def test_setting_aside_forgets_no_delivery(client: Redis, worker: Worker) -> None:
    client.lpush(_A, "message")
    client.hset(places.DELIVERIES, places.digest(b"message"), "3")
    worker.exchange(1)
    _set_aside(worker.held()[0], "1")
    worker.exchange()

    run(client, "release", KEYS.release("openai"), ["openai", "1"])

    assert [deliveries for _, _, deliveries in worker.exchange(1).messages] == [3]


def test_two_messages_under_one_id_both_wait(client: Redis, worker: Worker) -> None:
    client.lpush(_A, "one", "other")
    worker.exchange(2)
    for claim in worker.held():
        _set_aside(claim, "1", by=claim.raw.decode())
    worker.exchange()

    there = places.read(client)
    assert sorted(there.aside["openai"]) == ["1", "w-00000001-5-0002"]
    assert len(there.aside_messages) == 2


def test_a_taken_key_keeps_the_message_with_its_worker(client: Redis, worker: Worker) -> None:
    client.set(_WAITING, "no sorted set")
    client.lpush(_A, "message")
    worker.exchange(1)
    _set_aside(worker.held()[0], "1")

    assert worker.exchange().refusing == (_WAITING,)
    assert list(client.hkeys(places.CLAIMS)) == [b"w-00000001-5-0001"]


def test_a_message_whose_list_refuses_it_waits_on_behind_the_others(client: Redis, worker: Worker) -> None:
    client.lpush(_A, "1", "2")
    worker.exchange(2)
    for claim in worker.held():
        _set_aside(claim, claim.raw.decode())
    worker.exchange()
    client.set(_A, "no list")

    assert run(client, "release", KEYS.release("openai"), ["openai", "1"]) == [0, _A.encode()]

    assert client.zrange(_WAITING, 0, -1) == [b"2", b"1"]
    assert client.hlen(places.ASIDE_MESSAGES) == 2


def _set_aside(claim: Claim, aside_id: str, **more: Any) -> None:
    claim.set_aside("openai", 3600, aside_id, {"properties": {}, "waits": aside_id, **more})
