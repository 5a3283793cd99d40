"""Kombu's channel: queues that are consumed with acknowledgement are claimed, the rest is as in stock."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any

from amqp.protocol import queue_declare_ok_t
from kombu.exceptions import InconsistencyError
from kombu.transport import redis as stock
from redis import Redis

from orchestrator import connections
from orchestrator.deadletter import letter
from orchestrator.deadletter.reasons import Reason
from orchestrator.errors import NotAQueue, TooManyDeliveries
from orchestrator.transport import asides, delays, holdings, scripts
from orchestrator.transport.claim import Claim
from orchestrator.transport.consumer import Claims
from orchestrator.transport.envelope import decode, delay_ms, encode, held
from orchestrator.transport.keeper import Keeper
from orchestrator.transport.keys import Keys
from orchestrator.transport.ledger import Ledger
from orchestrator.transport.link import Link
from orchestrator.transport.qos import QoS

_OPTIONS = ("lease_seconds", "max_deliveries", "protocol")


class ClaimingChannel(stock.Channel):  # type: ignore[misc]
    """A channel whose consumers claim.

    Options beside kombu's: `lease_seconds`, `max_deliveries`, and `protocol`, which is 2 for a server that
    does not speak RESP3: it cannot tell idle workers of changes, and is asked.
    """

    QoS = QoS
    lease_seconds: float = 30.0
    max_deliveries: int = 8
    protocol: int | None = None
    from_transport_options = (*stock.Channel.from_transport_options, *_OPTIONS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._claimed_queues: list[str] = []
        # (How many more messages may be held, how many of them can start at once): the worker says.
        self.room: Callable[[], tuple[int, int]] | None = None
        # The claim whose message is being handed over: it may be lost meanwhile, and is ours all the same.
        self.delivering: Claim | None = None
        super().__init__(*args, **kwargs)
        self.handlers["CLAIM"] = self._read_claims

    # -- consuming

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:  # noqa: FBT001
        """Consume: with acknowledgement by claims; what needs none (replies, events) as in stock."""
        if not no_ack and queue not in self._fanout_queues and queue not in self._claimed_queues:
            self._claimed_queues.append(queue)
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    def _basic_cancel(self, consumer_tag: str) -> Any:
        queue = self._tag_to_queue.get(consumer_tag)
        if queue in self._claimed_queues:
            self._claimed_queues.remove(queue)
        return super()._basic_cancel(consumer_tag)

    @property
    def active_queues(self) -> list[str]:
        """The queues that stock's BRPOP serves."""
        return [queue for queue in super().active_queues if queue not in self._claimed_queues]

    @property
    def claimed(self) -> tuple[str, ...]:
        """The queues that this channel claims from."""
        return tuple(self._claimed_queues)

    @property
    def has_claims(self) -> bool:
        """Whether this channel has ever claimed."""
        return "keeper" in self.__dict__

    @cached_property
    def keys(self) -> Keys:
        """The transport's keys under this broker's prefix."""
        return Keys(self.global_keyprefix)

    @cached_property
    def keeper(self) -> Keeper:
        """The process's keeper for this broker: it outlives the channel."""
        broker = self.connection.client.as_uri(include_password=True)
        return holdings.keeper_for(broker, self.new_keeper)

    @property
    def ledger(self) -> Ledger:
        """The process's claims on this broker."""
        return self.keeper.ledger

    @cached_property
    def claims(self) -> Claims:
        """What claims for this channel."""
        return Claims(
            Link(self.claim_client.connection, self._look_again),
            self.keeper,
            self.keys,
            self._deliver_claim,
            self._room,
        )

    @cached_property
    def claim_client(self) -> Any:
        """A client with the one connection that claims; its pool tells the poller of a disconnect."""
        pool = self._get_pool(asynchronous=True)
        pool.connection_kwargs["protocol"] = self.protocol or 3
        client = Redis(connection_pool=pool)
        client.connection = pool.get_connection()
        return client

    @property
    def is_claiming(self) -> bool:
        """Whether this channel claims, or has settlements to send."""
        return bool(self._claimed_queues) or ("claims" in self.__dict__ and self.ledger.has_news)

    def poll_claims(self) -> None:
        """Before every poll: ask Redis where there is reason to."""
        queues = tuple(self._claimed_queues)
        lists = [self.list_of(queue, priority) for priority in self.priority_steps for queue in queues]
        self.claims.consume(queues, lists)
        self.claims.tick()

    def list_of(self, queue: str, priority: int = 0) -> str:
        """The Redis list of a queue and priority."""
        return str(self.global_keyprefix + self._q_for_pri(queue, priority))

    def claim_of(self, delivery_tag: str) -> Claim | None:
        """The claim that kombu knows by this tag; None if it is settled, lost, or no claim at all."""
        return self.ledger.claims.get(delivery_tag) if self.has_claims else None

    def letter(self, claim: Claim, reason: Reason, error: BaseException | None = None) -> dict[str, str]:
        """A dead letter about a message that no task was made of."""
        deliveries = claim.deliveries + (reason != "too_many_deliveries")
        return letter.write(
            reason, claim.queue, claim.raw, claim.original, error=error, deliveries=deliveries
        )

    def new_keeper(self) -> Keeper:
        """A keeper with claims of its own, and a connection of its own; nobody has started it yet."""
        # Kombu's own way to the broker: TCP, TLS, a socket or Sentinel.
        pool = self._get_pool()
        patience = max(0.5, self.lease_seconds / 4)
        for option in ("socket_timeout", "socket_connect_timeout"):
            given = pool.connection_kwargs.get(option)
            pool.connection_kwargs[option] = min(given, patience) if given else patience
        ledger = Ledger(self.lease_seconds, self.max_deliveries)
        return Keeper(ledger, Redis(connection_pool=pool), self.keys)

    def _get_pool(self, *args: Any, **kwargs: Any) -> Any:
        return connections.redis_pool(super()._get_pool(*args, **kwargs))

    def _connparams(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        params: dict[str, Any] = super()._connparams(*args, **kwargs)
        return params | {"protocol": self.protocol} if self.protocol else params

    def _room(self) -> tuple[int, int]:
        if self.room is not None:
            return self.room()
        most = self.qos.prefetch_count or 100
        left = most - len(self.ledger.claims)
        return left, left

    def _look_again(self) -> None:
        self.claims.look_again()

    def _read_claims(self) -> bool:
        self.claims.read()
        return True

    def _deliver_claim(self, claim: Claim) -> None:
        # One more than a request's own limit: what becomes one is told there, with result and errbacks.
        if claim.deliveries > self.ledger.max_deliveries:
            error = TooManyDeliveries("workers died of it before it became a task: it was not even decoded")
            claim.bury(self.letter(claim, "too_many_deliveries", error))
            return
        try:
            envelope = decode(claim.raw)
            claim.read(envelope)
            wait_ms = 0 if claim.is_held else delay_ms(envelope.get("headers"))
            if wait_ms == 0:
                self.Message(envelope, channel=self)
        except Exception as error:
            claim.bury(self.letter(claim, "bad_envelope", error))
            return
        if wait_ms > 0:
            # A plain producer's message with an eta: it waits in Redis, and in nobody's memory.
            claim.put_back(wait_ms / 1000, held(envelope))
            return
        callback = self.connection._callbacks.get(claim.queue)  # noqa: SLF001
        if callback is None:
            claim.release()
            return
        self.delivering = claim
        callback(envelope)
        if claim.is_ours and not claim.handed_over:
            claim.done()

    # -- publishing

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        """Push a message; one with an eta waits in Redis until it is due."""
        wait_ms = delay_ms(message.get("headers"))
        if wait_ms == 0:
            super()._put(queue, message, **kwargs)
            return
        target = self.list_of(queue, self._get_message_priority(message, reverse=False))
        script = scripts.load("delay")
        with self.plain_client() as client:
            arguments = [wait_ms, uuid.uuid4().hex, target, encode(held(message))]
            client.register_script(script.text)(keys=self.keys.delay(), args=arguments)

    def _lookup(self, exchange: str, routing_key: str, default: str | None = None) -> list[str]:
        """The queues that a message goes to; an exchange without bindings refuses, and drops nothing."""
        queues: list[str] = super()._lookup(exchange, routing_key, default)
        if not queues:
            raise InconsistencyError(
                f"no queue is bound to the exchange {exchange!r} for {routing_key!r}: nothing was sent"
            )
        return queues

    def plain_client(self) -> Redis:
        """A client that leaves keys alone: ours carry the prefix already."""
        return Redis(connection_pool=self.pool)

    # -- looking and purging

    def queue_declare(self, queue: str | None = None, passive: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        """Declare. Who wants to know how many messages wait asks passively, as kombu itself does.

        The others, every producer and worker at its first use of a queue, get what is in the lists alone.
        """
        waiting = 0
        if queue:
            waiting = self._size(queue) if passive else int(super()._size(queue))
        if not queue or (passive and not waiting):
            return super().queue_declare(queue, passive=passive, **kwargs)
        self._new_queue(queue, **kwargs)
        return queue_declare_ok_t(queue, waiting, 0)

    def _size(self, queue: str) -> int:
        """How many messages wait: in the lists, for their time, and for a breaker."""
        return int(super()._size(queue)) + self._later_count(queue)

    def _purge(self, queue: str) -> int:
        """Delete what waits, for its time or a breaker included; what is in flight stays with its worker."""
        lists = self._lists_of(queue)
        with self.plain_client() as client:
            # Kombu would delete whatever has the name, and complain then.
            for name in lists:
                if client.type(name) not in {b"list", b"none"}:
                    raise NotAQueue(
                        f"{queue!r} is no queue, but something else in Redis: nothing was deleted"
                    )
            # First: what becomes due or is released meanwhile is in the lists by then.
            deleted = delays.purge(client, self.keys, lists) + asides.purge(client, self.keys, lists)
        return deleted + int(super()._purge(queue))

    def _later_count(self, queue: str) -> int:
        with self.plain_client() as client:
            counted = delays.count(client, self.keys) + asides.count(client, self.keys)
        return sum(counted[each] for each in self._lists_of(queue))

    def lists_claimed(self, paused: Collection[str]) -> list[str]:
        """The lists that this channel claims from, but for those of paused queues; from any thread."""
        return [each for queue in self.claimed if queue not in paused for each in self._lists_of(queue)]

    def _lists_of(self, queue: str) -> list[str]:
        return [self.list_of(queue, priority) for priority in self.priority_steps]

    # -- closing

    def close(self) -> None:
        """Close; what was asked and not answered is asked again over the next link."""
        if "claims" in self.__dict__ and not self.closed:
            self.claims.look_again()
            self.claims.forget()
            self.claims.link.disconnect()
        try:
            super().close()
        except AttributeError:
            # Kombu's own, when the connection is lost while it closes.
            self.__dict__["closed"] = True


class ClaimingSentinelChannel(ClaimingChannel, stock.SentinelChannel):  # type: ignore[misc]
    """The same, with the master found through Redis Sentinel."""

    from_transport_options = (*stock.SentinelChannel.from_transport_options, *_OPTIONS)
