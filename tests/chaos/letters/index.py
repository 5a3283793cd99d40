"""What PostgreSQL and Kafka hold after a run, and what is still on its way there."""

import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from confluent_kafka import Consumer, TopicPartition
from psycopg.rows import dict_row
from redis import Redis

from orchestrator import keys
from tests.chaos.letters.stores import Stores
from tests.chaos.transport.broker_state import Letter

_SUFFIX = ".dlq"
_LIMIT_SECONDS = 5.0
_LETTERS = """
    SELECT l.id, l.reason, l.task_id, d.value_is, d.headers, d.properties, d.content_type, d.content_encoding,
           coalesce(d.value, v.value) AS value
    FROM dead_letters l JOIN dead_letter_deaths d ON d.letter_id = l.id
    LEFT JOIN dead_letter_values v ON v.id = d.id ORDER BY l.id, d.replay"""
# A letter's own columns; a death's place is that of one of its records.
_OWN = """
    SELECT id, task_id, task, queue, correlation_id, reason, exception, message, fingerprint, worker,
           attempts, replays, first_failed_at, died_at, is_foreign, topic FROM dead_letters ORDER BY id"""
_DEATHS = """
    SELECT id, letter_id, replay, queue, reason, exception, message, traceback, worker, attempts, deliveries,
           first_failed_at, died_at, headers::text, properties::text, content_type, content_encoding, value,
           value_is, topic FROM dead_letter_deaths ORDER BY id"""

Contents = dict[str, tuple[Any, ...]]


def left(client: "Redis", stores: Stores) -> dict[str, int]:
    """How many letters are on their way to where they are found, by place; empty places are not named."""
    with psycopg.connect(stores.database_url, connect_timeout=2) as connection:
        read: dict[tuple[str, int], int] = {
            (topic, partition): next_offset
            for topic, partition, next_offset in connection.execute("SELECT * FROM dead_letter_offsets")
        }
    not_indexed = sum(end - read.get(place, 0) for place, end in _ends(stores).items())
    places = waiting(client, stores) | {"not indexed": not_indexed}
    return {place: number for place, number in places.items() if number}


def waiting(client: "Redis", stores: Stores) -> dict[str, int]:
    """How many letters wait for Kafka, by place."""
    with psycopg.connect(stores.database_url, connect_timeout=2) as connection:
        overflow = connection.execute("SELECT count(*) FROM outbox_overflow").fetchall()[0][0]
    length: Any = client.xlen(keys.outbox())
    return {"outbox": length, "overflow": overflow}


def count(stores: Stores) -> int:
    """How many letters can be found."""
    with psycopg.connect(stores.database_url) as connection:
        return int(connection.execute("SELECT count(*) FROM dead_letters").fetchall()[0][0])


def records(stores: Stores) -> int:
    """How many records the dead-letter topics hold."""
    return sum(_ends(stores).values())


def _ends(stores: Stores) -> dict[tuple[str, int], int]:
    with _consumer(stores) as consumer:
        topics = consumer.list_topics(timeout=_LIMIT_SECONDS).topics
        return {
            (name, partition): consumer.get_watermark_offsets(
                TopicPartition(name, partition), timeout=_LIMIT_SECONDS
            )[1]
            for name, topic in topics.items()
            if name.endswith(_SUFFIX)
            for partition in topic.partitions
        }


@contextmanager
def _consumer(stores: Stores) -> Iterator[Consumer]:
    consumer = Consumer({"bootstrap.servers": stores.bootstrap_servers, "group.id": "a look"})
    try:
        yield consumer
    finally:
        consumer.close()


def letters(stores: Stores) -> list[Letter]:
    """Every death, with the bytes that its message had in Redis."""
    with psycopg.connect(stores.database_url, row_factory=dict_row) as connection:
        return [_letter(row) for row in connection.execute(_LETTERS)]


def _letter(row: dict[str, Any]) -> Letter:
    raw = row["value"]
    if row["value_is"] == "body":
        envelope = {
            "body": b64encode(row["value"]).decode(),
            "content-encoding": row["content_encoding"],
            "content-type": row["content_type"],
            "headers": row["headers"],
            "properties": row["properties"],
        }
        raw = json.dumps(envelope).encode()
    return Letter(row["id"], row["reason"], row["task_id"], raw)


def contents(stores: Stores) -> Contents:
    """What can be rebuilt from Kafka: letters and deaths, by id."""
    with psycopg.connect(stores.database_url) as connection:
        return {
            f"{kind} {row[0]}": row
            for kind, query in (("letter", _OWN), ("death", _DEATHS))
            for row in connection.execute(query)
        }


def forget(stores: Stores) -> None:
    """Delete every letter."""
    with psycopg.connect(stores.database_url) as connection:
        connection.execute("TRUNCATE dead_letters CASCADE")


def rebuild(environment: Mapping[str, str]) -> None:
    """Rebuild it, as people do."""
    command = [sys.executable, "-m", "orchestrator.cli", "dead-letters", "reindex", "--json"]
    subprocess.run(command, env=dict(environment), check=True, stdout=subprocess.DEVNULL)


def differences(before: Contents, after: Contents) -> list[str]:
    """What is not the same."""
    return [
        f"{name}: {before.get(name)} is now {after.get(name)}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
