"""Connections to Kafka: librdkafka reports to this module's logger, which says once what is repeated."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient

from orchestrator import connections
from orchestrator.kafka.repeats import Repeats

_logger = logging.getLogger(__name__)
_logger.addFilter(Repeats())

# A cluster that comes back is noticed within a second.
_RECONNECT: dict[str, Any] = {"reconnect.backoff.ms": 100, "reconnect.backoff.max.ms": 1000}
_LINGER_MS = 10
_COMPRESSION = "lz4"
# An event is awaited, and a flush sends it at once.
_EVENT_LINGER_MS = 2
_OWN_PART, _LOOK_SECONDS = 0.9, 1.0
_LONGEST_MS = 2_147_483_647


class _Producer(Producer):
    """The library's own cannot be referred to weakly."""


def admin(bootstrap_servers: str, timeout_seconds: float = 5.0) -> AdminClient:
    """An administration client; it never waits longer for an answer than `timeout_seconds`."""
    return AdminClient(
        {
            "bootstrap.servers": bootstrap_servers,
            "socket.timeout.ms": max(10, int(timeout_seconds * 1000)),
            "log.connection.close": False,
            **_RECONNECT,
        },
        logger=_logger,
    )


def producer(
    bootstrap_servers: str,
    *,
    timeout_seconds: float,
    max_bytes: int,
    on_error: Callable[[KafkaError], None],
) -> Producer:
    """An idempotent producer, to be kept: making one anew costs half a second.

    A record that is not acknowledged by all in-sync replicas within `timeout_seconds` is reported as failed.
    `on_error` is called while the producer is polled, with what concerns no single record.
    """
    made = _Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": _LINGER_MS,
            "compression.type": _COMPRESSION,
            "message.timeout.ms": max(10 * _LINGER_MS, int(timeout_seconds * 1000)),
            "message.max.bytes": max_bytes,
            "log.connection.close": False,
            "error_cb": on_error,
            **_RECONNECT,
        },
        logger=_logger,
    )
    return connections.track("kafka", made, lambda _: 1)


def consumer(bootstrap_servers: str, group: str, **options: Any) -> Consumer:
    """A consumer that reads from the start and commits only what it is told to.

    `options` are librdkafka's, with `_` for `.`: `consumer(servers, "index", enable_partition_eof=True)`.
    """
    return Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
            "log.connection.close": False,
            **_RECONNECT,
            **{name.replace("_", "."): value for name, value in options.items()},
        },
        logger=_logger,
    )


def asyncio_options(bootstrap_servers: str, timeout_seconds: float) -> dict[str, Any]:
    """What an asyncio producer of events is made with.

    What is not acknowledged within `timeout_seconds` is given up a little earlier by librdkafka itself: an
    event that is reported as failed should not arrive later. It looks once a second.
    """
    given_up_ms = int(1000 * max(timeout_seconds * _OWN_PART, timeout_seconds - _LOOK_SECONDS))
    return {
        "bootstrap.servers": bootstrap_servers,
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": _EVENT_LINGER_MS,
        "compression.type": _COMPRESSION,
        "message.timeout.ms": min(max(10 * _EVENT_LINGER_MS, given_up_ms), _LONGEST_MS),
        # Whoever awaits has the events in memory already.
        "queue.buffering.max.messages": 0,
        "queue.buffering.max.kbytes": _LONGEST_MS,
        "log.connection.close": False,
        "logger": _logger,
        **_RECONNECT,
    }
