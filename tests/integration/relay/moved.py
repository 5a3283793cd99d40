"""Letters put into the outbox, movers that run, and the records that a bare consumer finds."""

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, Message, TopicPartition

from orchestrator import keys
from orchestrator.deadletter import letter
from orchestrator.deadletter.naming import topic_of
from orchestrator.relay.outbox.mover import Mover
from orchestrator.settings import Settings
from tests.processes import wait_until

_BODY = [[1], {"to": "mail@example.org"}, {"callbacks": None}]


def message(task_id: str, body: object = None, **headers: object) -> tuple[bytes, dict[str, Any]]:
    """A message as Celery writes it into a list, and its body."""
    content = json.dumps(_BODY if body is None else body).encode()
    envelope: dict[str, Any] = {
        "body": base64.b64encode(content).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"id": task_id, "task": "mail.send", "retries": 2, "lang": "py", **headers},
        "properties": {
            "delivery_tag": f"tag-{task_id}",
            "correlation_id": "order-7",
            "body_encoding": "base64",
        },
    }
    return json.dumps(envelope).encode(), envelope


def put(client: Any, queue: str, *task_ids: str, body: object = None) -> list[str]:
    """Bury a message of each id in the outbox; returns the letters' ids."""
    identities = []
    for task_id in task_ids:
        raw, envelope = message(task_id, body)
        fields = letter.write(
            "exception", queue, raw, envelope, error=ValueError("no such address"), worker="w1"
        )
        client.xadd(keys.outbox(), {**fields, "raw": raw})
        identities.append(fields["id"])
    return identities


@dataclass(frozen=True)
class Place:
    """Settings that lead to a Redis and to topics, and a client of that Redis, which does not decode."""

    settings: Settings
    client: Any

    def topic(self, queue: str) -> str:
        """Where the letters of a queue go."""
        return topic_of(queue, self.settings.kafka_dlq_suffix)

    def records(self, queue: str, number: int) -> list[Message]:
        """The first records of a queue's topic, as soon as there are that many and Redis has nothing left."""
        found = records(self.settings, self.topic(queue), number)
        wait_until(lambda: self.client.xlen(keys.outbox()) == 0, what="an empty outbox")
        return found


@contextmanager
def moving(settings: Settings) -> Iterator[Mover]:
    """A mover at work."""
    mover, stop = Mover(settings, f"test-{uuid4().hex[:8]}"), Event()
    thread = Thread(target=mover.run, args=(stop,))
    thread.start()
    try:
        yield mover
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def records(settings: Settings, topic: str, number: int, servers: str = "") -> list[Message]:
    """The first records of a topic, each partition's in its order, as soon as there are that many."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers or settings.kafka_bootstrap_servers,
            "group.id": uuid4().hex,
            "enable.auto.commit": False,
        }
    )
    found: list[Message] = []

    def look() -> bool:
        found.extend(consumer.consume(500, 0.1))
        return len(found) >= number

    try:
        wait_until(lambda: _partitions(consumer, topic), what="the topic")
        consumer.assign([TopicPartition(topic, each, 0) for each in _partitions(consumer, topic)])
        wait_until(look, what="the records")
        found.extend(consumer.consume(500, 0.1))
        return found
    finally:
        consumer.close()


def _partitions(consumer: Consumer, topic: str) -> Sequence[int]:
    told = consumer.list_topics(timeout=5).topics
    return list(told[topic].partitions) if topic in told else []


def headers_of(record: Message) -> dict[str, str]:
    """The headers as text; each name is there once."""
    named: Any = record.headers()
    assert len(dict(named)) == len(named)
    return {name: value.decode() for name, value in named}
