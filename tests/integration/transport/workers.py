"""Workers without an event loop: a real ledger and a real keeper, and an exchange when the test says so."""

from __future__ import annotations

from redis import Redis

from orchestrator.transport.claim import Claim
from orchestrator.transport.exchange import NOT_WAITING, Answer, Wish, forget_unknown
from orchestrator.transport.keeper import Keeper
from orchestrator.transport.ledger import Batch, Ledger
from tests.integration.transport.model import LEASE_MS
from tests.integration.transport.places import KEYS, list_of, run

PRIORITIES = (0, 3)


class Worker:
    """Claims from some queues, under a name that sorts."""

    def __init__(self, client: Redis, name: str, queues: tuple[str, ...] = ("a",)) -> None:
        self.ledger = Ledger(LEASE_MS / 1000, 8, clock=lambda: 5.0)
        self.ledger.nonce = name
        self.keeper = Keeper(self.ledger, client, KEYS)
        self.queues = queues
        self.role = NOT_WAITING
        self._client = client

    def lists(self, queues: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Its lists, one group a priority."""
        return tuple(list_of(queue, priority) for priority in PRIORITIES for queue in queues or self.queues)

    def wish(self, messages: int, free: int, *, wait_ms: int = 0, turn: int = 0) -> Wish:
        """What it asks for; with `wait_ms` it will wait where there is nothing."""
        turned = (*self.queues[turn:], *self.queues[:turn])
        return Wish(
            messages=messages,
            free=free,
            prefix=self.ledger.next_prefix(),
            queues=turned,
            token=self.ledger.nonce if wait_ms else "",
            role=self.role if wait_ms else NOT_WAITING,
            wait_ms=wait_ms or 5000,
        )

    def send(self, wish: Wish, batch: Batch) -> Answer:
        """One exchange, of which the worker does not know the answer yet."""
        lists = self.lists(wish.queues) if wish.messages else ()
        arguments = wish.arguments(LEASE_MS / 1000, batch)
        return Answer.parse(run(self._client, "exchange", KEYS.exchange(lists), arguments))

    def hear(self, wish: Wish, batch: Batch, answer: Answer) -> None:
        """The answer has come."""
        self.ledger.confirm(batch)
        if wish.token:
            self.role = answer.role
        for number, (index, raw, deliveries) in enumerate(answer.messages, 1):
            queue = wish.queues[index % len(wish.queues)]
            claim = self.ledger.hold(f"{wish.prefix}{number:04d}", queue, raw, deliveries)
            claim.started = number <= wish.free

    def miss(self, wish: Wish, batch: Batch) -> None:
        """The answer will not come: the link is lost."""
        self.ledger.give_back(batch)
        forget_unknown(self.ledger, wish)
        self.role = NOT_WAITING

    def exchange(self, messages: int = 0, free: int | None = None, *, wait_ms: int = 0) -> Answer:
        """Settle what it has noted and claim, all in one."""
        wish = (
            self.wish(messages, messages if free is None else free, wait_ms=wait_ms) if messages else Wish()
        )
        batch = self.ledger.take()
        answer = self.send(wish, batch)
        self.hear(wish, batch, answer)
        return answer

    def held(self) -> list[Claim]:
        """Its claims, the oldest first."""
        return [claim for _, claim in sorted(self.ledger.claims.items())]
