"""Publishes events to Kafka: tried again, behind a breaker, and kept as dead letters where that fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import confluent_kafka
from redis.exceptions import RedisError

from orchestrator import events, redaction, settings
from orchestrator.breaker import Breaker, breaker, builtin
from orchestrator.deadletter.naming import topic_of
from orchestrator.kafka import attempts, letters, message, options, reaching
from orchestrator.kafka.attempts import COMPONENT, Delivered, Failed
from orchestrator.kafka.delivering import Delivering
from orchestrator.kafka.failures import Failure, Failures
from orchestrator.kafka.figures import Figures
from orchestrator.kafka.message import Message
from orchestrator.kafka.outcome import PublishOutcome
from orchestrator.kafka.sharing import shared

DEFAULT_TOPIC = "omninode.events"
_TOGETHER = 100


class KafkaClient:
    """For one event loop at a time; all clients of a process share one producer. See `publish_event`.

    What is not given is as the settings say: KAFKA_BOOTSTRAP_SERVERS, KAFKA_DLQ_SUFFIX, KAFKA_MAX_RETRIES and
    KAFKA_TIMEOUT_SECONDS. `retry_backoff_base` and `timeout_seconds`, which bounds each attempt, are seconds.

    Raises:
        InvalidKafkaClient: naming the argument that cannot be.
    """

    def __init__(  # noqa: PLR0917 (as the product's document writes them)
        self,
        bootstrap_servers: str | None = None,
        enable_dead_letter_queue: bool | None = None,  # noqa: FBT001
        dead_letter_topic_suffix: str | None = None,
        max_retry_attempts: int | None = None,
        retry_backoff_base: float | None = None,
        timeout_seconds: float | None = None,
        default_topic: str = DEFAULT_TOPIC,
    ) -> None:
        self._options = options.read(
            {
                "bootstrap_servers": bootstrap_servers,
                "enable_dead_letter_queue": enable_dead_letter_queue,
                "dead_letter_topic_suffix": dead_letter_topic_suffix,
                "max_retry_attempts": max_retry_attempts,
                "retry_backoff_base": retry_backoff_base,
                "timeout_seconds": timeout_seconds,
                "default_topic": default_topic,
            }
        )
        self._breaker = _breaker_of(self._options.servers)
        self._producer: Delivering | None = None
        self._under_way = 0
        self._is_idle: asyncio.Event | None = None
        self._failures = Failures()
        self._unresolved: list[str] = []
        self._figures = Figures()
        self._outbox = letters.Outbox()

    def __repr__(self) -> str:
        return f"KafkaClient({self._options.servers!r})"

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()

    async def connect(self) -> None:
        """See that Kafka answers; publishing without it connects, too, but does not wait for an answer.

        Raises:
            KafkaUnavailable: no broker answers within `timeout_seconds`, or what the deadline leaves.
        """
        await reaching.reach(self._options.servers, self._options.timeout_seconds)
        self._connected()

    async def disconnect(self) -> None:
        """Wait for what is under way, `timeout_seconds` at most, and let go of the producer."""
        if self._under_way:
            self._is_idle = asyncio.Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_idle.wait(), self._options.timeout_seconds)
        producer, self._producer = self._producer, None
        if producer is not None and producer.loop is asyncio.get_running_loop():
            await shared.release(producer, self._options.timeout_seconds)
        await self._resolve()
        self._outbox.close()

    async def publish_event(
        self, event: Any, topic: str | None = None, key: str | bytes | None = None
    ) -> PublishOutcome:
        """Publish an event, and wait until Kafka has it; the outcome is true only then.

        `event` is a dict or list (written as JSON), text, bytes, a dataclass, or an object with
        `model_dump_json()`. Its topic is the one given, else what `event.to_kafka_topic()`, `event.topic` or
        `event["topic"]` says, else the default one; its key likewise, from `key`, `id` or `correlation_id`.

        An attempt that fails is repeated with exponential backoff, `max_retry_attempts` times, unless it
        cannot heal, the circuit is open, or the deadline is near. Then a dead letter is written to the outbox
        in Redis, which needs no Kafka: the outcome is false, and `dead_lettered`. If Redis is away as well,
        the event is in `get_failed_messages` alone. Cancelled, the event may still be published, and there is
        no letter of it. An attempt whose answer is lost may publish it twice, as anywhere with Kafka.

        Raises:
            InvalidEvent: it cannot be written, or its topic or key is none; nothing was published.
        """
        written = message.write(event, topic, key, self._options.default_topic)
        began = time.monotonic()
        self._under_way += 1
        try:
            ended = await self._publish(written)
            if isinstance(ended, Delivered):
                outcome = _published(ended)
            else:
                outcome = await self._failed(written, ended)
        finally:
            self._under_way -= 1
            if self._is_idle is not None and not self._under_way:
                self._is_idle.set()
        _tell(began, ended)
        return outcome

    async def get_resilience_metrics(self) -> dict[str, Any]:
        """What was published and what failed, the dead letters, the retries, and the circuit; as JSON."""
        producer = self._producer
        is_connected = producer is not None and not producer.is_broken
        return self._figures.as_dict(self._options, self._failures, self._breaker, is_connected=is_connected)

    async def get_failed_messages(self) -> list[dict[str, Any]]:
        """The last 1,000 events of this client that are not on their topics, the oldest first; as JSON."""
        return self._failures.as_dicts()

    async def retry_failed_messages(self) -> dict[str, Any]:
        """Publish those of `get_failed_messages` again, each once, also where this is called twice at a time.

        The letter of one that succeeds is resolved by the relay, so that nobody replays it. Returns how many
        were `attempted`, `successful` and `failed`, and of how many the letter is still to be resolved, as
        Redis is away (`unresolved`): that is tried again the next time, and by `disconnect`.
        """
        taken = self._failures.take()
        limit = asyncio.Semaphore(_TOGETHER)
        try:
            found = await asyncio.gather(*(self._again(each, limit) for each in taken))
        finally:
            for each in taken:
                self._failures.give_back(each)
        await self._resolve()
        successful = sum(found)
        return {
            "attempted": len(taken),
            "successful": successful,
            "failed": len(taken) - successful,
            "unresolved": len(self._unresolved),
        }

    def _connected(self) -> Delivering:
        producer, loop = self._producer, asyncio.get_running_loop()
        if producer is None or producer.loop is not loop or producer.is_broken:
            producer = self._producer = shared.acquire(self._options.servers, self._options.timeout_seconds)
        return producer

    def _deliver(self, written: Message, seconds: float) -> Awaitable[confluent_kafka.Message]:
        return self._connected().deliver(written.topic, written.key, written.value, seconds)

    async def _publish(self, written: Message) -> Delivered | Failed:
        ended = await attempts.publish(written, self._deliver, self._breaker, self._options)
        self._figures.count(ended)
        return ended

    async def _failed(self, written: Message, ended: Failed) -> PublishOutcome:
        error, letter_id = redaction.text(ended.sentence), ""
        if self._options.enable_dead_letter_queue:
            letter_id, trouble = await self._write_letter(written, ended)
            error += trouble
        failure = Failure(written, error, ended.attempts, letter_id, datetime.now(UTC))
        if not self._failures.add(failure):
            error += "; and it is kept nowhere, as too many failed events are kept already"
        return PublishOutcome(
            written.topic, ended.attempts, dead_lettered=bool(letter_id), letter_id=letter_id, error=error
        )

    async def _write_letter(self, written: Message, ended: Failed) -> tuple[str, str]:
        """The letter's id, or "" and what went wrong."""
        usual = settings.current().kafka_dlq_suffix
        suffix = self._options.suffix
        fields = letters.letter(written, ended, "" if suffix == usual else suffix)
        try:
            await self._outbox.write(fields)
        except (RedisError, OSError) as error:
            self._figures.unsaved += 1
            return "", f"; and no dead letter was written, as Redis is away: {redaction.text(str(error))}"
        self._figures.dead_lettered += 1
        topic = topic_of(written.topic, suffix)
        self._figures.by_topic[topic] += 1
        events.emit(events.DeadLettered(COMPONENT, topic))
        return str(fields["id"]), ""

    async def _again(self, failure: Failure, limit: asyncio.Semaphore) -> bool:
        async with limit:
            began = time.monotonic()
            ended = await self._publish(failure.message)
            _tell(began, ended)
            if isinstance(ended, Delivered):
                self._failures.remove(failure)
                self._figures.republished += 1
                if failure.letter_id:
                    self._unresolved.append(failure.letter_id)
                return True
            failure.error, failure.attempts = (
                redaction.text(ended.sentence),
                failure.attempts + ended.attempts,
            )
            if self._options.enable_dead_letter_queue and not failure.letter_id:
                failure.letter_id, trouble = await self._write_letter(failure.message, ended)
                failure.error += trouble
            return False

    async def _resolve(self) -> None:
        unresolved, self._unresolved = self._unresolved, []
        told = await asyncio.gather(*map(self._outbox.tell, unresolved), return_exceptions=True)
        for letter_id, error in zip(unresolved, told, strict=True):
            if error is None:
                self._figures.resolved += 1
            else:
                self._unresolved.append(letter_id)


def _breaker_of(servers: str) -> Breaker:
    # A client with other servers than the fleet's must not open the fleet's circuit.
    if servers == settings.current().kafka_bootstrap_servers:
        return breaker(builtin.KAFKA)
    return breaker(builtin.kafka(servers))


def _published(ended: Delivered) -> PublishOutcome:
    record = ended.record
    return PublishOutcome(record.topic() or "", ended.attempts, record.partition(), record.offset())


def _tell(began: float, ended: Delivered | Failed) -> None:
    if not events.is_heard():
        return
    is_published = isinstance(ended, Delivered)
    error_type = "" if isinstance(ended, Delivered) else type(ended.cause or ended.error).__name__
    seconds = time.monotonic() - began
    events.emit(events.CallEnded(COMPONENT, "publish_event", seconds, is_published, error_type))
