"""Something else under the name of a queue's list: its messages stay where they are, and all others go on."""

from collections.abc import Callable

import pytest
from redis import Redis

from orchestrator.transport.claim import Claim
from tests.integration.transport import places
from tests.integration.transport.places import KEYS, list_of, run
from tests.integration.transport.workers import Worker

_A, _B = list_of("a"), list_of("b")
_BOTH = ("a", "b")


@pytest.fixture(autouse=True)
def _heard(client: Redis) -> None:
    seconds: int = client.time()[0]
    client.set(places.PULSE, seconds * 1000)


def test_what_is_due_for_it_becomes_due_a_minute_later(client: Redis) -> None:
    run(client, "delay", KEYS.delay(), [0, "for a", _A, "for a"])
    run(client, "delay", KEYS.delay(), [0, "for b", _B, "for b"])
    client.set(_A, "no list")

    answer = Worker(client, "w", _BOTH).exchange(2)

    assert [raw for _, raw, _ in answer.messages] == [b"for b"]
    there = places.read(client)
    assert there.bodies == {"for a": (_A, b"for a")}
    assert there.delayed["for a"] >= there.pulse + 50_000
    assert answer.refusing == (_A,)


def test_once_the_name_is_free_what_was_due_is_delivered(client: Redis) -> None:
    run(client, "delay", KEYS.delay(), [0, "id", _A, "message"])
    client.set(_A, "no list")
    worker = Worker(client, "w")
    worker.exchange(1)

    client.delete(_A)
    client.zadd(places.DELAYED, {"id": 1})

    assert [raw for _, raw, _ in worker.exchange(1).messages] == [b"message"]
    assert places.read(client).bodies == {}


@pytest.mark.parametrize(
    "settle",
    [
        Claim.release,
        Claim.reject,
        Claim.put_back,
        lambda claim: claim.put_back(changed={"properties": {}, "changed": True}),
        lambda claim: claim.put_back(to=_A),
    ],
    ids=["release", "reject", "put back", "changed", "elsewhere"],
)
def test_a_claim_that_cannot_go_back_stays_with_its_lease_and_its_count(
    client: Redis, settle: Callable[[Claim], None]
) -> None:
    worker = Worker(client, "w", _BOTH)
    for to, raw in ((_A, "stays"), (_B, "goes")):
        client.lpush(to, raw)
        client.hset(places.DELIVERIES, places.digest(raw.encode()), 2)
    worker.exchange(2)
    client.set(_A, "no list")
    stays, goes = worker.held()
    settle(stays)
    goes.done()

    answer = worker.exchange(2)

    there = places.read(client)
    assert there.claims == {stays.id: (_A, b"stays")}
    assert there.leases.keys() == there.claims.keys()
    assert there.deliveries == {places.digest(b"stays"): 2}
    assert (answer.late, answer.refusing, answer.messages) == (0, (_A,), ())
    assert not worker.ledger.has_news


def test_a_claim_that_could_not_go_back_is_returned_once_the_name_is_free(client: Redis) -> None:
    client.lpush(_A, "message")
    dead, heir = Worker(client, "dead"), Worker(client, "heir", ("b",))
    dead.exchange(1)
    client.set(_A, "no list")
    client.zadd(places.LEASES, {dead.held()[0].id: 1})

    assert heir.exchange().refusing == (_A,)
    there = places.read(client)
    assert there.leases["dead-00000001-5-0001"] >= there.pulse + 50_000
    assert there.deliveries == {}

    client.delete(_A)
    client.zadd(places.LEASES, {dead.held()[0].id: 1})
    heir.exchange()
    there = places.read(client)
    assert (there.claims, there.leases, there.lists) == ({}, {}, {_A: [b"message"]})
    assert there.deliveries[places.digest(b"message")] == 1


def test_a_hundred_claims_that_cannot_go_back_hold_up_no_other(client: Redis) -> None:
    dead, heir = Worker(client, "dead", _BOTH), Worker(client, "heir", ("b",))
    client.lpush(_B, "other")
    dead.exchange(1)
    client.lpush(_A, *range(100))
    dead.exchange(100)
    client.set(_A, "no list")
    client.zadd(places.LEASES, {claim.id: at for at, claim in enumerate(dead.held(), 1)})

    heir.exchange()

    assert [raw for _, raw, _ in heir.exchange(1).messages] == [b"other"]


def test_what_an_unanswered_exchange_had_claimed_from_it_stays(client: Redis) -> None:
    client.lpush(_A, "one", "two")
    cut = Worker(client, "cut")
    wish, batch = cut.wish(2, 2), cut.ledger.take()
    cut.send(wish, batch)
    cut.miss(wish, batch)
    client.set(_A, "no list")

    cut.exchange()

    assert places.read(client).messages() == {b"one": 1, b"two": 1}
    assert not cut.ledger.has_news


def test_other_queues_are_claimed_from(client: Redis) -> None:
    client.set(_A, "no list")
    client.lpush(_B, "message")

    answer = Worker(client, "w", _BOTH).exchange(2)

    assert [raw for _, raw, _ in answer.messages] == [b"message"]
    assert answer.refusing == (_A,)


def test_nothing_in_it_waits_to_be_claimed(client: Redis) -> None:
    client.set(_A, "no list")
    names = KEYS.watch("w", (_A, _B), sentry=True)

    assert run(client, "watch", names, _BOTH)[0] == 0
    client.lpush(_B, "message")
    assert run(client, "watch", names, _BOTH)[0] == 1
