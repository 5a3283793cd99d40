"""What a channel does with claimed messages before anybody makes tasks of them."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from kombu import Connection, Queue
from redis import Redis

from orchestrator import keys
from orchestrator.transport import holdings
from orchestrator.transport.transport import Transport
from tests.processes import wait_until

_MESSAGE = json.dumps(
    {
        "body": "{}",
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {},
        "properties": {"delivery_tag": "tag", "delivery_info": {}},
    }
).encode()


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    with Connection(redis_url, transport=Transport, transport_options={"max_deliveries": 3}) as made:
        yield made
    holdings.close()


@pytest.mark.parametrize("raw", [_MESSAGE, b"{"], ids=["message", "bytes that are none"])
def test_what_workers_died_of_before_it_became_a_task_is_buried_unread(
    connection: Connection, client: Redis, raw: bytes
) -> None:
    _deliver(client, raw, deliveries=4)

    received = _consume_until(connection, lambda: client.xlen(keys.outbox()) == 1)

    letters: Any = client.xrange(keys.outbox())
    ((_, letter),) = letters
    assert (letter[b"reason"], letter[b"deliveries"], letter[b"raw"]) == (b"too_many_deliveries", b"4", raw)
    assert received == []


def test_a_message_that_has_reached_its_limit_is_delivered_so_that_its_end_is_told(
    connection: Connection, client: Redis
) -> None:
    _deliver(client, _MESSAGE, deliveries=3)

    received = _consume_until(connection, lambda: client.hlen(keys.deliveries()) == 0)

    assert received == [{}]
    assert client.xlen(keys.outbox()) == 0


def test_a_claim_that_is_lost_while_it_is_handed_over_is_no_message_of_stocks(
    connection: Connection, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = connection.default_channel.ledger
    hold = ledger.hold

    def hold_and_lose(claim_id: str, *args: Any) -> Any:
        claim = hold(claim_id, *args)
        ledger.lose([claim_id])
        return claim

    monkeypatch.setattr(ledger, "hold", hold_and_lose)
    client.lpush("queue", _MESSAGE)
    received: list[Any] = []

    _consume_until(connection, lambda: received, received)

    assert client.exists("unacked", "unacked_index") == 0
    assert client.hlen(keys.claims()) == 1


def _deliver(client: Redis, raw: bytes, *, deliveries: int) -> None:
    client.hset(keys.deliveries(), hashlib.sha1(raw, usedforsecurity=False).hexdigest(), deliveries)
    client.lpush("queue", raw)


def _consume_until(connection: Connection, condition: Any, received: list[Any] | None = None) -> list[Any]:
    received = [] if received is None else received

    def receive(body: Any, message: Any) -> None:
        received.append(body)
        message.ack()

    def done() -> bool:
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.1)
        return bool(condition())

    with connection.Consumer(
        [Queue("queue", channel=connection.default_channel)], callbacks=[receive], accept=["json"]
    ):
        wait_until(done, what="its end")
    return received
