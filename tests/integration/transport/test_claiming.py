"""When a worker asks Redis, for what, and what it does when it is refused."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis
from structlog.testing import capture_logs

from orchestrator.transport.claim import Claim
from orchestrator.transport.consumer import Claims
from orchestrator.transport.keeper import Keeper
from orchestrator.transport.ledger import Ledger
from orchestrator.transport.link import Link
from tests.integration.transport import places
from tests.integration.transport.model import LEASE_MS
from tests.integration.transport.places import KEYS, list_of
from tests.processes import wait_until

_HIGH, _LOW = list_of("a"), list_of("a", 3)


def test_a_low_priority_gets_its_turn_also_when_every_other_exchange_only_settles(client: Redis) -> None:
    client.lpush(_LOW, "low")
    client.lpush(_HIGH, *range(100))
    room = 0
    claimed: list[Claim] = []
    with _claiming(client, claimed.append, lambda: (room, room)) as claims:
        for _ in range(20):
            room = 1
            _exchange(claims)
            claimed[-1].done()
            claimed[-1].ledger.noted_at = 0.0  # type: ignore[attr-defined]
            room = 0
            _exchange(claims)

    assert [claim.raw for claim in claimed].count(b"low") == 1


def test_a_settlement_that_is_refused_is_tried_again_after_a_pause(client: Redis) -> None:
    client.lpush(_HIGH, "message")
    claimed: list[Claim] = []
    with _claiming(client, claimed.append, lambda: (1, 1)) as claims:
        _exchange(claims)
        client.set(places.OUTBOX, "no stream")
        claimed[0].bury({"reason": "rejected"})
        before, until = _scripts_run(client), time.monotonic() + 1.0

        while time.monotonic() < until:
            _ask(claims)

        assert 1 <= _scripts_run(client) - before <= 20
        client.delete(places.OUTBOX)

        def told() -> bool:
            _ask(claims)
            return client.xlen(places.OUTBOX) == 1

        wait_until(told, what="the letter")


def test_a_list_that_is_none_is_told_once(client: Redis) -> None:
    client.set(_LOW, "no list")
    client.lpush(_HIGH, "one", "two")
    claimed: list[Claim] = []
    with capture_logs() as logs, _claiming(client, claimed.append, lambda: (10, 10)) as claims:
        _exchange(claims)
        client.lpush(_HIGH, "three")
        _exchange(claims)

    assert [claim.raw for claim in claimed] == [b"one", b"two", b"three"]
    assert [(entry["event"], entry["key"]) for entry in logs if entry["log_level"] == "warning"] == [
        ("queue_is_no_list", _LOW)
    ]


def _ask(claims: Claims) -> None:
    """As the event loop does: with a new link where the last one was dropped."""
    if not claims.link.is_up:
        claims.forget()
        claims.link.prepare()
        claims.look_again()
    claims.tick()
    if claims.is_waiting_for_redis:
        claims.read()


def _scripts_run(client: Redis) -> int:
    found: Any = client.info("commandstats")
    return int(found["cmdstat_evalsha"]["calls"])


def _exchange(claims: Claims) -> None:
    """What is to be asked now is asked and answered."""
    claims.look_again()
    claims.tick()
    while claims.is_waiting_for_redis:
        claims.read()


@contextmanager
def _claiming(
    client: Redis, deliver: Callable[[Claim], None], room: Callable[[], tuple[int, int]]
) -> Iterator[Claims]:
    """A worker's claiming without an event loop, from a queue with two priorities."""
    keeper = Keeper(Ledger(LEASE_MS / 1000, 8), client, KEYS)
    connection = client.connection_pool.make_connection()
    link = Link(connection, lambda: None)
    link.prepare()
    claims = Claims(link, keeper, KEYS, deliver, room)
    claims.consume(("a",), (_HIGH, _LOW))
    try:
        yield claims
    finally:
        link.disconnect()
