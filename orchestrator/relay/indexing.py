"""Indexes the dead-letter topics in PostgreSQL: one indexer at a time, the others wait to take over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaException, TopicPartition
from psycopg import Connection

from orchestrator import kafka, postgres
from orchestrator.errors import OvertakenIndexer
from orchestrator.index import offsets, writing
from orchestrator.index.offsets import Advance, Place
from orchestrator.relay import reading
from orchestrator.relay.lag import Lag
from orchestrator.relay.trouble import Trouble
from orchestrator.settings import Settings

# Any constant will do, as long as it stays and is nobody else's: it names the lock in the database.
LOCK_ID = 0x6F6D6E78
_LOCK_SECONDS = 0.5
# How often new topics are looked for, and how long Kafka may take to tell of them.
LOOK_SECONDS, ANSWER_SECONDS = 2.0, 1.0
_WAIT_SECONDS = 0.5
# Longer than any batch takes: a server that is frozen answers nothing, and nothing ends by itself.
_WRITE_SECONDS = 120.0
_RETRY_BASE_SECONDS, _RETRY_MOST_SECONDS = 0.2, 5.0
# A relay that is frozen, or whose host has vanished, lets go of the lock.
_LET_GO = (
    "SET idle_session_timeout = '60s'",
    "SET idle_in_transaction_session_timeout = '60s'",
    "SET tcp_keepalives_idle = 30",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
)


class Indexer:
    """Indexes until its end, as soon as it has the lock."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._trouble = Trouble("indexer")
        self._lag = Lag()
        self._indexed = 0
        self._has_lock = False

    def run(self, stop: Event) -> None:
        """Index; waits for PostgreSQL and Kafka where they are away."""
        attempt = 0
        while not stop.is_set():
            began = time.monotonic()
            try:
                self._take_turn(stop)
            except OvertakenIndexer as error:
                self._trouble.is_there(str(error))
            except (psycopg.Error, OSError) as error:
                self._trouble.is_there(f"PostgreSQL: {_first_line(error)}")
            except KafkaException as error:
                self._trouble.is_there(f"Kafka: {error.args[0].str()}")
            attempt = 0 if time.monotonic() - began > _RETRY_MOST_SECONDS else attempt + 1
            stop.wait(min(_RETRY_BASE_SECONDS * 2.0 ** min(attempt, 10), _RETRY_MOST_SECONDS))

    def state(self) -> dict[str, Any]:
        """How many records are unread, and for how long; both None while another indexer has the lock."""
        return {
            "lag": self._lag.records if self._has_lock else None,
            "behind_seconds": self._lag.seconds if self._has_lock else None,
            "indexed": self._indexed,
            "lock": "held" if self._has_lock else "waits",
            "error": self._trouble.error,
        }

    def _take_turn(self, stop: Event) -> None:
        with postgres.connect(self._settings.database_url) as connection:
            try:
                self._wait_for_lock(connection, stop)
                if self._has_lock:
                    self._index(connection, stop)
            finally:
                self._has_lock = False
                self._lag.forget()

    def _wait_for_lock(self, connection: Connection[Any], stop: Event) -> None:
        for setting in _LET_GO:
            connection.execute(setting)
        while not stop.is_set():
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_ID,)).fetchone()
            if row and row[0]:
                self._has_lock = True
                return
            self._trouble.is_over()
            stop.wait(_LOCK_SECONDS)

    def _index(self, connection: Connection[Any], stop: Event) -> None:
        with _consumer(self._settings) as consumer:
            reader = _Reader(self._settings, consumer, connection, self._lag)
            look_at, error = 0.0, ""
            while not stop.is_set():
                if time.monotonic() >= look_at:
                    error = _look(reader)
                    look_at = time.monotonic() + LOOK_SECONDS
                self._indexed += reader.read_on()
                self._tell(error or reader.failure)

    def _tell(self, error: str) -> None:
        if error:
            self._trouble.is_there(f"Kafka: {error}")
        else:
            self._trouble.is_over()


class _Reader:
    """One consumer's way through the topics, from the stored offsets on."""

    def __init__(self, settings: Settings, consumer: Consumer, connection: Connection[Any], lag: Lag) -> None:
        self._settings = settings
        self._consumer = consumer
        self._connection = connection
        self._lag = lag
        self._stored = offsets.stored(connection)
        # How far each partition is known to be read; more than is stored where it ends in what is no record.
        self._read: dict[Place, int] = {}
        self._failures: dict[Place, str] = {}
        self._has_looked = False

    @property
    def failure(self) -> str:
        """What keeps a topic from being read while others are; empty when nothing does."""
        return next((f"{topic}: {error}" for (topic, _), error in self._failures.items()), "")

    def look(self) -> None:
        """Read also what partitions are new, and no longer what is gone; keep the lock."""
        found = reading.places(self._consumer, self._settings.kafka_dlq_suffix, ANSWER_SECONDS)
        new, gone = found - self._read.keys(), self._read.keys() - found
        with postgres.cut_off_after(_WRITE_SECONDS, self._connection):
            self._forget_topics({topic for topic, _ in found})
        if gone:
            self._consumer.incremental_unassign([TopicPartition(*place) for place in gone])
            for place in gone:
                del self._read[place]
                self._failures.pop(place, None)
        if new:
            self._consumer.incremental_assign(
                [TopicPartition(*place, self._stored.get(place, 0)) for place in sorted(new)]
            )
            self._read |= {place: self._stored.get(place, 0) for place in new}
        if new or gone:
            self._lag.forget()
        self._has_looked = True

    def read_on(self) -> int:
        """Index what is there, or comes in a moment, in one transaction; returns how many deaths are new."""
        messages = reading.gather(self._consumer, _WAIT_SECONDS)
        records = reading.records(messages)
        written = self._write(records) if records else 0
        ends = filter(reading.is_end, messages)
        self._read |= {reading.place(message): int(message.offset() or 0) for message in ends}
        heard = {reading.place(message) for message in messages}
        self._failures = {
            place: error for place, error in self._failures.items() if place not in heard
        } | reading.failures(messages)
        if self._has_looked:
            self._lag.look({place: self._end(place) for place in self._read}, self._read)
        return written

    def _write(self, records: list[Any]) -> int:
        next_offsets = {reading.place(record): int(record.offset()) + 1 for record in records}
        deaths = [reading.death(record, self._settings.kafka_dlq_suffix) for record in records]
        with postgres.cut_off_after(_WRITE_SECONDS, self._connection):
            written = writing.write(
                self._connection,
                deaths,
                {place: Advance(self._stored.get(place), then) for place, then in next_offsets.items()},
                max_replays=self._settings.max_replays,
            )
        self._stored |= next_offsets
        self._read |= next_offsets
        return written

    def _forget_topics(self, existing: set[str]) -> None:
        """A topic that was deleted begins anew when it is made again. This also tells the server we live."""
        suffix = self._settings.kafka_dlq_suffix
        gone = {
            place: offset
            for place, offset in self._stored.items()
            if place[0].endswith(suffix) and place[0] not in existing
        }
        offsets.forget(self._connection, gone)
        for place in gone:
            del self._stored[place]

    def _end(self, place: Place) -> int | None:
        marks = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
        return marks[1] if marks and marks[1] >= 0 else None


def _look(reader: _Reader) -> str:
    try:
        reader.look()
    except KafkaException as error:
        # Its consumer finds it again by itself.
        return str(error.args[0].str())
    return ""


@contextmanager
def _consumer(settings: Settings) -> Iterator[Consumer]:
    # Nothing is committed: the group is only a name.
    consumer = kafka.consumer(settings.kafka_bootstrap_servers, "omninode-index", enable_partition_eof=True)
    try:
        yield consumer
    finally:
        consumer.close()


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
