"""The task that publishes an event: what a replay of the dead letter of an event is."""

from __future__ import annotations

import base64
import binascii
import os
import threading
import time
from functools import lru_cache
from typing import Any

from celery import shared_task
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orchestrator import kafka, settings
from orchestrator.breaker import builtin
from orchestrator.deadletter import event
from orchestrator.errors import InvalidEvent, KafkaUnavailable
from orchestrator.kafka import faults
from orchestrator.kafka.naming import topic_refusal
from orchestrator.task import Task
from orchestrator.timeouts.left import within

_MOST_BYTES = 1_000_000
_POLL_SECONDS = 0.1
# A process has one producer, also where threads ask for it at once.
_turn = threading.Lock()


@shared_task(name=event.TASK, bind=True, base=Task, breaker=builtin.KAFKA)
def publish(_self: Any, topic: str, key: str | None, value: str) -> dict[str, Any]:
    """Publish an event to its topic, and wait until Kafka has it; `key` and `value` are in base64.

    Returns the topic, the partition and the offset. A worker that dies after Kafka has it may leave the task
    to another one, which publishes it again.

    Raises:
        InvalidEvent: it is no topic, or not base64; EventRefused: Kafka never takes it; a dead letter.
        KafkaUnavailable: Kafka does not take it now: the task is tried again.
    """
    if refusal := topic_refusal(topic):
        raise InvalidEvent(f"topic {topic!r:.80} {refusal}")
    record = _deliver(topic, None if key is None else _bytes(key, "key"), _bytes(value, "value"))
    return {"topic": record.topic(), "partition": record.partition(), "offset": record.offset()}


def _bytes(text: Any, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise InvalidEvent(f"{name} is not base64") from None


def _deliver(topic: str, key: bytes | None, value: bytes) -> Message:
    reports: list[tuple[KafkaError | None, Message]] = []
    chosen = settings.current()
    seconds = within(chosen.kafka_timeout_seconds)
    ends_at = time.monotonic() + seconds
    with _turn:
        producer = _producer(os.getpid(), chosen.kafka_bootstrap_servers, chosen.kafka_timeout_seconds)
    try:
        producer.produce(topic, value, key, on_delivery=lambda error, record: reports.append((error, record)))
    except KafkaException as error:
        raise faults.translate(error.args[0], topic) from None
    except BufferError as error:
        raise KafkaUnavailable(str(error)) from error
    # Where several threads poll, any of them may be given the report.
    while not reports and time.monotonic() < ends_at:
        producer.poll(_POLL_SECONDS)
    if not reports:
        raise KafkaUnavailable(f"Kafka has not taken it within {seconds:g} s")
    refused, record = reports[0]
    if refused is not None:
        raise faults.translate(refused, topic)
    return record


@lru_cache(maxsize=1)
def _producer(_pid: int, servers: str, timeout_seconds: float) -> Producer:
    return kafka.producer(
        servers, timeout_seconds=timeout_seconds, max_bytes=_MOST_BYTES, on_error=lambda _error: None
    )
