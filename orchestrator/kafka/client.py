"""Publishes events to Kafka: tried again, behind a breaker, and kept as dead letters where that fails."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Self

from orchestrator import events, settings
from orchestrator.breaker import Breaker, breaker, builtin
from orchestrator.kafka import attempts, message, options
from orchestrator.kafka.attempts import COMPONENT, Delivered, Failed
from orchestrator.kafka.failures import Failure
from orchestrator.kafka.figures import Figures
from orchestrator.kafka.message import Message
from orchestrator.kafka.options import Configured
from orchestrator.kafka.outcome import PublishOutcome
from orchestrator.kafka.session import Session
from orchestrator.kafka.unpublished import Unpublished

DEFAULT_TOPIC = "omninode.events"
_TOGETHER = 100


class KafkaClient(Configured):
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
        self._breaker = _breaker_of(self._options.bootstrap_servers)
        self._session = Session(self._options)
        self._figures = Figures()
        self._unpublished = Unpublished(self._options, self._figures, self._breaker)

    def __repr__(self) -> str:
        return f"KafkaClient({self.bootstrap_servers!r})"

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
        await self._session.reach()

    async def disconnect(self) -> None:
        """Wait for the attempts that are under way, and let go of the producer.

        That takes `timeout_seconds` at most, and some seconds more where letters have to be written to a
        Redis that is slow. No attempt is begun any more: an event that would be tried again is a dead letter
        at once. What was cancelled is not waited for. Publishing afterwards connects again.
        """
        session, self._session = self._session, Session(self._options)
        await session.end()
        await self._unpublished.resolve()
        self._unpublished.close()

    async def publish_event(
        self, event: Any, topic: str | None = None, key: str | bytes | None = None
    ) -> PublishOutcome:
        """Publish an event, and wait until Kafka has it; the outcome is true only then.

        `event` is a dict or list (written as JSON), text, bytes, a dataclass, or an object with
        `model_dump_json()`. Its topic is the one given, else what `event.to_kafka_topic()`, `event.topic` or
        `event["topic"]` says, else the default one; its key likewise, from `key`, `id` or `correlation_id`.

        An attempt that fails is repeated with exponential backoff, `max_retry_attempts` times, unless it
        cannot heal, the circuit is open, or the deadline is near: that takes (`max_retry_attempts` + 1) x
        `timeout_seconds` and the pauses, of 30 seconds each, at most. Then a dead letter is written to the
        outbox in Redis, which needs no Kafka: the outcome is false, and `dead_lettered`. If Redis is away as
        well, the event is in `get_failed_messages` alone. Cancelled, the event may still be published, or
        have a letter, and is not in that list. An attempt whose answer is lost, or which a deadline cut
        short, may publish it although it is reported as failed, as anywhere with Kafka.

        Raises:
            InvalidEvent: it cannot be written, or its topic or key is none; nothing was published.
        """
        written = message.write(event, topic, key, self._options.default_topic)
        began = time.monotonic()
        session = self._session
        session.under_way += 1
        try:
            ended = await attempts.publish(written, session, self._breaker, self._options)
            self._figures.count(ended)
            if isinstance(ended, Delivered):
                outcome = _published(written, ended)
            else:
                outcome = await self._unpublished.failed(written, ended)
        finally:
            session.leave()
        _tell(began, ended)
        return outcome

    async def get_resilience_metrics(self) -> dict[str, Any]:
        """What was published and what failed, letters, retries, the circuit, if a broker answers; as JSON."""
        knows = self._options, self._unpublished.failures, self._breaker
        return self._figures.as_dict(*knows, is_connected=self._session.is_connected)

    async def get_failed_messages(self) -> list[dict[str, Any]]:
        """The last 1,000 events of this client that are not on their topics, the oldest first; as JSON."""
        return self._unpublished.failures.as_dicts()

    async def retry_failed_messages(self) -> dict[str, Any]:
        """Publish those of `get_failed_messages` again, each once, also where this is called twice at a time.

        The letter of one that succeeds is resolved by the relay, so that nobody replays it. Returns how many
        were `attempted`, `successful` and `failed`, and of how many the letter is still to be resolved, as
        Redis is away (`unresolved`): that is tried again the next time, and by `disconnect`.
        """
        failures = self._unpublished.failures
        taken, limit = failures.take(), asyncio.Semaphore(_TOGETHER)
        try:
            found = await asyncio.gather(*(self._again(each, limit) for each in taken))
        finally:
            for each in taken:
                failures.give_back(each)
        await self._unpublished.resolve()
        successful = sum(found)
        return {
            "attempted": len(taken),
            "successful": successful,
            "failed": len(taken) - successful,
            "unresolved": self._unpublished.unresolved,
        }

    async def _again(self, failure: Failure, limit: asyncio.Semaphore) -> bool:
        async with limit:
            began = time.monotonic()
            session = self._session
            session.under_way += 1
            try:
                ended = await attempts.publish(failure.message, session, self._breaker, self._options)
                self._figures.count(ended)
                if isinstance(ended, Delivered):
                    self._unpublished.published(failure)
                else:
                    await self._unpublished.failed_again(failure, ended)
            finally:
                session.leave()
            _tell(began, ended)
            return isinstance(ended, Delivered)


def _breaker_of(servers: str) -> Breaker:
    # A client with other servers than the fleet's must not open the fleet's circuit.
    if servers == settings.current().kafka_bootstrap_servers:
        return breaker(builtin.KAFKA)
    return breaker(builtin.kafka(servers))


def _published(written: Message, ended: Delivered) -> PublishOutcome:
    record = ended.record
    return PublishOutcome(written.topic, ended.attempts, record.partition(), record.offset())


def _tell(began: float, ended: Delivered | Failed) -> None:
    if not events.is_heard():
        return
    is_published = isinstance(ended, Delivered)
    error_type = "" if isinstance(ended, Delivered) else type(ended.own or ended.error).__name__
    seconds = time.monotonic() - began
    events.emit(events.CallEnded(COMPONENT, "publish_event", seconds, is_published, error_type))
