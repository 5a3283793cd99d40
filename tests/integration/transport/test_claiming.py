"""When a worker asks Redis, for what, and what it does when it is refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis import Redis

from orchestrator.transport.claim import Claim
from orchestrator.transport.consumer import Claims
from orchestrator.transport.keeper import Keeper
from orchestrator.transport.ledger import Ledger
from orchestrator.transport.link import Link
from tests.integration.transport.model import LEASE_MS
from tests.integration.transport.places import KEYS, list_of

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
