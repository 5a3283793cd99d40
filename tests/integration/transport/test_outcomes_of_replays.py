"""What became of a replay is written with its settlement: once, and by whoever holds the message."""

from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from orchestrator.deadletter.death import LETTER, REPLAYS
from orchestrator.transport.claim import Claim, Outcome
from tests.integration.transport import places
from tests.integration.transport.places import list_of
from tests.integration.transport.workers import Worker

_A = list_of("a")


@pytest.mark.parametrize("outcome", ["resolved", "revoked"])
def test_a_replay_that_is_done_leaves_its_outcome_alone(client: Redis, outcome: Outcome) -> None:
    worker = Worker(client, "w")
    claim = _claimed(client, worker, {LETTER: "first", REPLAYS: 3})

    claim.done(outcome)
    worker.exchange()

    there = places.read(client)
    assert (there.messages(), there.claims) == ({}, {})
    (entry,) = there.outcomes
    at = datetime.fromisoformat(entry.pop("at").decode())
    assert entry == {"letter_id": b"first", "replay": b"3", "outcome": outcome.encode()}
    assert timedelta(0) <= datetime.now(UTC) - at < timedelta(minutes=1)


def test_a_replay_that_goes_on_as_another_message_has_no_outcome(client: Redis) -> None:
    worker = Worker(client, "w")

    _claimed(client, worker, {LETTER: "first", REPLAYS: 1}).done("")
    worker.exchange()

    assert places.read(client).outcomes == []
    assert places.read(client).claims == {}


@pytest.mark.parametrize(
    "headers",
    [
        {LETTER: "first", REPLAYS: True},
        {LETTER: "first", REPLAYS: 0},
        {LETTER: ["first"], REPLAYS: 1},
        {LETTER: "\ud800", REPLAYS: 1},
        {LETTER: "a\0b", REPLAYS: 1},
        {LETTER: "x" * 501, REPLAYS: 1},
        {REPLAYS: 1},
        None,
        7,
    ],
)
def test_headers_that_name_no_letter_are_settled_as_any_other(client: Redis, headers: object) -> None:
    worker = Worker(client, "w")

    _claimed(client, worker, headers).done()

    assert list(worker.ledger.take().ids()) == ["w-00000001-5-0001"]


def test_a_settlement_that_is_sent_twice_is_one_outcome(client: Redis) -> None:
    worker = Worker(client, "w")
    _claimed(client, worker, {LETTER: "first", REPLAYS: 1}).done()
    wish, batch = worker.wish(1, 1), worker.ledger.take()

    worker.send(wish, batch)
    worker.miss(wish, batch)
    answer = worker.exchange()

    assert answer.late == 1
    assert len(places.read(client).outcomes) == 1


def test_a_late_settlement_writes_no_outcome(client: Redis) -> None:
    worker, heir = Worker(client, "w"), Worker(client, "heir")
    claim = _claimed(client, worker, {LETTER: "first", REPLAYS: 1})
    client.zadd(places.LEASES, {claim.id: 1})
    client.set(places.PULSE, client.time()[0] * 1000)
    client.delete(places.QUIET)
    heir.exchange()

    claim.done()
    answer = worker.exchange()

    assert answer.late == 1
    assert places.read(client).outcomes == []
    assert places.read(client).messages() == {b"message": 1}


def test_a_replay_that_was_delivered_before_is_counted_no_further(client: Redis) -> None:
    client.hset(places.DELIVERIES, places.digest(b"message"), "2")
    worker = Worker(client, "w")
    claim = _claimed(client, worker, {LETTER: "first", REPLAYS: 1})
    assert claim.deliveries == 2

    claim.done()
    worker.exchange()

    assert places.read(client).deliveries == {}
    assert len(places.read(client).outcomes) == 1


def _claimed(client: Redis, worker: Worker, headers: object) -> Claim:
    client.lpush(_A, "message")
    worker.exchange(1)
    (claim,) = worker.held()
    claim.envelope = {"headers": headers}
    return claim
