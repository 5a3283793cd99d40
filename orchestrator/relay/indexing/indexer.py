"""Indexes the dead-letter topics in PostgreSQL: one indexer at a time, the others wait to take over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaException
from psycopg import Connection

from orchestrator import kafka, postgres
from orchestrator.errors import OvertakenIndexer
from orchestrator.relay.indexing import reading
from orchestrator.relay.indexing.following import Follower
from orchestrator.relay.indexing.lag import Lag
from orchestrator.relay.trouble import Trouble
from orchestrator.retry.backoff import ceiling_seconds
from orchestrator.settings import Settings

# Any constant will do, as long as it stays and is nobody else's: it names the lock in the database.
LOCK_ID = 0x6F6D6E78
_LOCK_SECONDS = 0.5
# How often new topics are looked for.
LOOK_SECONDS = 2.0
_WAIT_SECONDS = 0.5
_ANSWER_SECONDS = 10.0
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
            stop.wait(ceiling_seconds(attempt, _RETRY_BASE_SECONDS, _RETRY_MOST_SECONDS))

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
            with postgres.cut_off_after(_ANSWER_SECONDS, connection):
                row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_ID,)).fetchone()
            if row and row[0]:
                self._has_lock = True
                return
            self._trouble.is_over()
            stop.wait(_LOCK_SECONDS)

    def _index(self, connection: Connection[Any], stop: Event) -> None:
        suffix = self._settings.kafka_dlq_suffix
        with _consumer(self._settings) as consumer:
            follower = Follower(self._settings, consumer, connection, self._lag)
            look_at, error = 0.0, ""
            while not stop.is_set():
                if time.monotonic() >= look_at:
                    # The server hears that this indexer lives, and so leaves it the lock.
                    with postgres.cut_off_after(_ANSWER_SECONDS, connection):
                        connection.execute("SELECT")
                    error = _look(follower)
                    look_at = time.monotonic() + LOOK_SECONDS
                self._indexed += follower.take(reading.next_batch(consumer, suffix, _WAIT_SECONDS))
                self._tell(error or follower.failure)

    def _tell(self, error: str) -> None:
        if error:
            self._trouble.is_there(f"Kafka: {error}")
        else:
            self._trouble.is_over()


def _look(follower: Follower) -> str:
    try:
        follower.look()
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
