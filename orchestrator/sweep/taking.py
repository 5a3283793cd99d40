"""Claims single messages out of lists: they are the sweep's then, for as long as it renews their leases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from orchestrator.queues.survey import queue_of
from orchestrator.transport import scripts
from orchestrator.transport.claim import Claim
from orchestrator.transport.keeper import Keeper
from orchestrator.transport.keys import Keys


class Taker:
    """Takes messages for one sweep; `keeper` holds them."""

    def __init__(self, client: Any, keeper: Keeper, places: Keys) -> None:
        self.keeper = keeper
        self._script = client.register_script(scripts.load("take").text)
        self._keys = places
        self._begins = keeper.ledger.next_prefix()
        self._numbers = count(1)

    def take(self, name: str, place: int, raw: bytes) -> Claim | None:
        """The message that lies at this place of a list, 1 where it is claimed next; None where it has moved.

        Raises:
            redis.exceptions.RedisError: Redis is away; a message that it has taken goes back with its lease.
        """
        ledger = self.keeper.ledger
        claim_id = f"{self._begins}{next(self._numbers):04d}"
        taken, deliveries = self._script(
            keys=self._keys.take(name), args=[int(ledger.lease_seconds * 1000), claim_id, place, raw]
        )
        queue = queue_of(name, self._keys.prefix)
        return ledger.hold(claim_id, queue, raw, int(deliveries)) if taken else None


@contextmanager
def taker(channel: Any) -> Iterator[Taker]:
    """What takes messages; at the end what was not settled goes back to where it is claimed next."""
    keeper = channel.new_keeper()
    # Nobody else sends what is settled.
    keeper.eager = True
    # Whoever sweeps runs no event loop that could fall silent, and holds a message for seconds.
    keeper.excused = lambda: True
    keeper.start()
    try:
        with channel.plain_client() as client:
            yield Taker(client, keeper, channel.keys)
    finally:
        keeper.close()
