"""Publishes a message, and again with backoff while that can help: each attempt within its time."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import confluent_kafka

from orchestrator import events
from orchestrator.breaker import Breaker
from orchestrator.deadletter.reasons import Reason
from orchestrator.errors import BreakerOpen, DeadlineExceeded, KafkaUnavailable
from orchestrator.kafka.delivering import Delivering
from orchestrator.kafka.message import Message
from orchestrator.kafka.options import CAP_SECONDS, Options
from orchestrator.kafka.session import Session
from orchestrator.retry.backoff import delay_seconds
from orchestrator.retry.healing import can_heal
from orchestrator.timeouts.left import deadline_left

COMPONENT = "kafka_client"
_RANDOM = Random()  # noqa: S311 (jitter is no secret)


class Delivered(NamedTuple):
    """Kafka has it."""

    record: confluent_kafka.Message
    attempts: int


@dataclass(frozen=True, slots=True)
class Failed:
    """It is not published: the error that ended it, and the last one of an attempt where that is another."""

    error: Exception
    reason: Reason
    attempts: int
    cause: Exception | None = None

    @property
    def own(self) -> Exception | None:
        """The error of its last attempt; None where none was made."""
        return self.cause or (self.error if self.attempts else None)

    def sentence(self, before: str = "", because: str = "") -> str:
        """What happened, with the class of the error that the last attempt ended with.

        `before` says it of the attempts of earlier calls, `because` what turned this one away without any.
        """
        own = said(self.own) if self.own else before
        if self.own is self.error:
            return own
        if own:
            return f"{own}; not tried again: {self.error}"
        return f"{said(self.error)}; its last error: {because}" if because else said(self.error)


def said(error: Exception) -> str:
    """The error, with its class."""
    return f"{type(error).__name__}: {error}"


async def publish(
    message: Message, session: Session, breaker: Breaker, options: Options, random: Random = _RANDOM
) -> Delivered | Failed:
    """Try at once, then `max_retry_attempts` times; a circuit, a deadline or the session's end ends it."""
    left_seconds = deadline_left()
    ends_at = None if left_seconds is None else time.monotonic() + left_seconds
    made = 0
    last: Exception | None = None
    while True:
        left_seconds = None if ends_at is None else ends_at - time.monotonic()
        if left_seconds is not None and left_seconds <= 0:
            return _too_late(made, last)
        try:
            permit = breaker.permit_at_once() or await breaker.permit_soon()
        except BreakerOpen as error:
            return Failed(error, "circuit_open", made, last)
        made += 1
        try:
            record = await _attempt(message, session.connect(), options, left_seconds)
        except Exception as error:
            await permit.end_soon(error)
            last = error
            session.failed(error)
        except BaseException as error:
            await permit.end_soon(error)
            raise
        else:
            await permit.end_soon()
            session.answered()
            return Delivered(record, made)
        if not can_heal(last) or made > options.max_retry_attempts:
            return Failed(last, _reason(last, made), made)
        pause_seconds = delay_seconds(made - 1, options.retry_backoff_base, CAP_SECONDS, random)
        if ends_at is not None and time.monotonic() + pause_seconds >= ends_at:
            return _too_late(made, last)
        if not await session.pause(pause_seconds):
            return Failed(last, _reason(last, made), made)
        events.emit(events.Retried(COMPONENT))


def _attempt(
    message: Message, producer: Delivering, options: Options, left_seconds: float | None
) -> Awaitable[confluent_kafka.Message]:
    if left_seconds is None or options.timeout_seconds <= left_seconds:
        return producer.deliver(*message)
    return _in_a_hurry(message, producer, left_seconds)


async def _in_a_hurry(message: Message, producer: Delivering, left_seconds: float) -> confluent_kafka.Message:
    try:
        return await producer.deliver(*message, left_seconds)
    except KafkaUnavailable as error:
        # Less than the time that Kafka is usually given: that is no failure of Kafka's.
        raise DeadlineExceeded(f"the deadline came before Kafka had it ({error})") from error


def _reason(last: Exception, made: int) -> Reason:
    if isinstance(last, DeadlineExceeded):
        return "deadline_exceeded"
    return "retries_exhausted" if made > 1 and can_heal(last) else "exception"


def _too_late(made: int, last: Exception | None) -> Failed:
    when = "before it could be tried again" if made else "before it was published"
    return Failed(DeadlineExceeded(f"the deadline came {when}"), "deadline_exceeded", made, last)
