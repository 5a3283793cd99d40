"""What became of deliveries is counted by the step that settles them: exactly, and without hindering it."""

import json
from typing import Any

import pytest
from redis import Redis

from orchestrator import keys
from orchestrator.tally import fields
from orchestrator.tally.names import OTHER
from orchestrator.transport.exchange import SETTLE_ONLY
from tests.integration.transport import places
from tests.integration.transport.places import PREFIX, TOTALS, list_of
from tests.integration.transport.workers import Worker
from tests.own_redis import own_redis

_A = list_of("a")


def _claimed(client: Redis, count: int = 1, task: str = "shop.pay") -> Worker:
    worker = Worker(client, "w")
    client.lpush(_A, *(f"message {number}" for number in range(count)))
    worker.exchange(count)
    for claim in worker.held():
        claim.envelope = {"headers": {"task": task}, "properties": {}}
    return worker


def _counted(client: Redis, key: str = TOTALS) -> dict[tuple[str, ...], int]:
    """Outcome and reason → count, of the task `shop.pay` in queue `a`."""
    stored: Any = client.hgetall(key)
    found = {fields.parts(name.decode()): value for name, value in stored.items()}
    return {of[3:]: int(value) for of, value in found.items() if of and of[1] == "shop.pay"}


def test_each_settlement_is_counted_as_what_it_was(client: Redis) -> None:
    worker = _claimed(client, 9)
    held = worker.held()

    held[0].done()
    held[1].done()
    held[2].done("revoked")
    held[3].done("")
    held[4].bury({"reason": "soft_timeout", "task": "shop.pay"})
    held[5].put_back(5, counts="retried")
    held[6].put_back(5, counts="waited")
    held[7].reject()
    held[8].release()
    worker.exchange()

    assert _counted(client) == {
        ("succeeded", ""): 2,
        ("revoked", ""): 1,
        ("retried", ""): 2,
        ("dead_lettered", "soft_timeout"): 1,
        ("waited", ""): 1,
        ("requeued", ""): 1,
    }


def test_a_settlement_that_is_sent_twice_is_counted_once(client: Redis) -> None:
    worker = _claimed(client, 3)
    for claim in worker.held():
        claim.done()
    batch = worker.ledger.take()

    worker.send(SETTLE_ONLY, batch)
    worker.send(SETTLE_ONLY, batch)

    assert _counted(client) == {("succeeded", ""): 3}


def test_a_restart_between_settlements_neither_loses_nor_doubles_a_count() -> None:
    with own_redis() as server, Redis(port=server.port) as client:
        worker = _claimed(client, 3)
        first, second, third = worker.held()
        first.done()
        answered = worker.ledger.take()
        worker.send(SETTLE_ONLY, answered)
        second.bury({"reason": "rejected", "task": "shop.pay"})
        third.done()
        unanswered = worker.ledger.take()
        worker.send(SETTLE_ONLY, unanswered)

        server.kill()
        server.start_again()
        client.ping()
        worker.send(SETTLE_ONLY, unanswered)

        assert _counted(client) == {("succeeded", ""): 2, ("dead_lettered", "rejected"): 1}
        assert client.xlen(places.OUTBOX) == 1


def test_a_settlement_that_comes_too_late_is_not_counted(client: Redis) -> None:
    worker = _claimed(client, 2)
    first, second = worker.held()
    client.hdel(places.CLAIMS, first.id, second.id)

    first.done()
    second.bury({"reason": "rejected"})
    worker.exchange()

    assert _counted(client) == {}


def test_a_minute_has_an_id_and_the_same_counts_as_the_totals(client: Redis) -> None:
    worker = _claimed(client)
    worker.held()[0].done()
    worker.exchange()

    minutes: Any = client.zrange(keys.metrics("minutes", PREFIX), 0, -1, withscores=True)
    ((minute, score),) = minutes
    key = keys.metrics(f"minute:{minute.decode()}", PREFIX)

    assert int(minute) == int(score)
    assert _counted(client, key) == {("succeeded", ""): 1}
    assert client.hexists(key, fields.WINDOW_ID)
    lives_seconds: Any = client.ttl(key)
    assert 86_000 < lives_seconds <= 86_400


@pytest.mark.parametrize("taken", ["totals", "minutes"])
def test_counts_that_cannot_be_written_hinder_no_settlement(client: Redis, taken: str) -> None:
    client.set(keys.metrics(taken, PREFIX), "something else")
    worker = _claimed(client)

    worker.held()[0].bury({"reason": "rejected"})
    worker.exchange()

    assert client.hlen(places.CLAIMS) == 0
    assert client.xlen(places.OUTBOX) == 1


def test_of_too_many_fields_the_rest_is_counted_under_one(client: Redis) -> None:
    client.hset(TOTALS, mapping={f"field {number}": 1 for number in range(10_000)})
    worker = _claimed(client)

    worker.held()[0].done()
    worker.exchange()

    rest = json.dumps(["outcome", OTHER, OTHER, OTHER, ""], separators=(",", ":"))
    assert client.hget(TOTALS, rest) == b"1"
    assert client.hget(TOTALS, "overflowed") == b"1"
    assert client.hlen(TOTALS) == 10_003


def test_names_that_no_worker_knows_leave_half_of_the_fields_to_the_others(client: Redis) -> None:
    client.hset(TOTALS, mapping={f"field {number}": 1 for number in range(5000)})
    worker = _claimed(client, 2)
    first, second = worker.held()

    first.bury({"reason": "unknown_task", "task": "an.invented.one"})
    second.done()
    worker.exchange()

    rest = json.dumps(["outcome", OTHER, OTHER, OTHER, ""], separators=(",", ":"))
    assert client.hget(TOTALS, rest) == b"1"
    assert _counted(client) == {("succeeded", ""): 1}
