"""Topics of a test's own in the Kafka that all tests share."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from orchestrator import kafka
from orchestrator.deadletter.death import Death
from orchestrator.deadletter.record import to_record
from orchestrator.relay.kafka.records import timestamp_ms
from orchestrator.settings import Settings


@contextmanager
def producing(settings: Settings) -> Iterator[Producer]:
    """A bare producer; what it was given has arrived at the end."""
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers, "linger.ms": 1})
    yield producer
    assert producer.flush(20) == 0


def put(settings: Settings, topic: str, deaths: Iterable[Death], partition: int = -1) -> None:
    """Have the records of these deaths on a topic."""
    with producing(settings) as producer:
        for each in deaths:
            record = to_record(each, settings.dlq_max_bytes)
            assert record is not None
            producer.produce(
                topic,
                record.value,
                record.key,
                partition=partition,
                headers=list(record.headers),
                # These topics have Kafka's own retention, by which the letters' own moments are long over.
                timestamp=timestamp_ms(record, retention_days=1.0),
                on_delivery=_arrived,
            )
            producer.poll(0)


def put_foreign(settings: Settings, topic: str, value: bytes | None, headers: Any = ()) -> None:
    """A record that another program has written."""
    with producing(settings) as producer:
        producer.produce(topic, value, headers=list(headers), on_delivery=_arrived)


def create(settings: Settings, topic: str, partitions: int) -> None:
    """A topic of so many partitions."""
    admin = kafka.admin(settings.kafka_bootstrap_servers)
    for future in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        future.result(20)


def _arrived(error: KafkaError | None, _message: Message) -> None:
    assert error is None, error
