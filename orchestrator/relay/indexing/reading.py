"""Reads dead-letter topics: which partitions there are, and their records as deaths."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, Message

from orchestrator.deadletter.death import Death
from orchestrator.deadletter.record import Found, from_record
from orchestrator.index.offsets import Place
from orchestrator.relay.moments import LAST_MS

_LOG = structlog.get_logger(__name__)

_MOST_RECORDS, _MOST_BYTES = 1000, 8_000_000
# librdkafka has fetched them already: this is how long it takes to hand them over.
_AT_ONCE, _GATHER_SECONDS = 200, 0.02


def places(
    consumer: Consumer, suffix: str, timeout_seconds: float, others: Collection[str] = ()
) -> set[Place]:
    """All partitions of all dead-letter topics: those with the suffix, and `others`.

    Raises:
        KafkaException: the cluster does not answer.
    """
    topics = consumer.list_topics(timeout=timeout_seconds).topics
    return {
        (name, partition)
        for name, topic in topics.items()
        if (name.endswith(suffix) or name in others) and topic.error is None
        for partition in topic.partitions
    }


@dataclass(frozen=True)
class Batch:
    """What was gathered: deaths, and by partition the offset after the last one.

    `ends` are those partitions that have no more, from that offset on; `failures` says what keeps others from
    being read, such as a permission that is missing.
    """

    deaths: list[Death]
    next_offsets: dict[Place, int]
    ends: dict[Place, int]
    failures: dict[Place, str]

    @property
    def is_silence(self) -> bool:
        """Whether nothing came at all."""
        return not (self.deaths or self.ends or self.failures)


def next_batch(consumer: Consumer, suffix: str, wait_seconds: float) -> Batch:
    """What can be written in one transaction; it is empty when nothing has come for `wait_seconds`."""
    return _read(_gather(consumer, wait_seconds), suffix)


# The topic was deleted, or its leader moves: what is there is asked for again and again anyway.
_PASSING = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._TRANSPORT,  # noqa: SLF001
}


def _gather(consumer: Consumer, wait_seconds: float) -> list[Message]:
    """Messages to write in one transaction, bounded in number and bytes; waits for the first one."""
    gathered = consumer.consume(1, wait_seconds)
    size = sum(map(_size, gathered))
    until = time.monotonic() + wait_seconds
    while gathered and len(gathered) < _MOST_RECORDS and size < _MOST_BYTES and time.monotonic() < until:
        more = consumer.consume(min(_AT_ONCE, _MOST_RECORDS - len(gathered)), _GATHER_SECONDS)
        if not more:
            break
        gathered += more
        size += sum(map(_size, more))
    return gathered


def _read(messages: list[Message], suffix: str) -> Batch:
    records = [message for message in messages if message.error() is None]
    return Batch(
        deaths=[_death(record, suffix) for record in records],
        next_offsets={_place(record): int(record.offset() or 0) + 1 for record in records},
        ends={_place(message): int(message.offset() or 0) for message in messages if _is_end(message)},
        failures={
            _place(message): error.str()
            for message in messages
            if (error := message.error()) is not None
            and not _is_end(message)
            and error.code() not in _PASSING
        },
    )


def _is_end(message: Message) -> bool:
    """Whether it says that its partition has no more records, from its offset on."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 (its public name)


def _place(message: Message) -> Place:
    """The partition that a message is of."""
    return str(message.topic()), int(message.partition() or 0)


def _death(message: Message, suffix: str) -> Death:
    """The death that a record tells of; what cannot be read at all is a foreign one."""
    headers: Any = message.headers() or ()
    topic, partition = _place(message)
    found = Found(
        topic=topic,
        partition=partition,
        offset=int(message.offset() or 0),
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=[(name, _bytes(content)) for name, content in headers],
        timestamp_ms=min(message.timestamp()[1], LAST_MS),
    )
    try:
        return from_record(found, suffix)
    except Exception:
        _LOG.exception("record_not_understood", topic=topic, partition=partition, offset=found.offset)
        return from_record(replace(found, headers=()), suffix)


def _bytes(content: Any) -> bytes | None:
    return content.encode() if isinstance(content, str) else content


def _size(message: Message) -> int:
    return len(message.value() or b"") if message.error() is None else 0
