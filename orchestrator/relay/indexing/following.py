"""Follows the dead-letter topics into the index: which partitions, from where, and how far."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Consumer, TopicPartition
from psycopg import Connection

from orchestrator import postgres
from orchestrator.index import offsets, writing
from orchestrator.index.offsets import Advance, Place
from orchestrator.relay.indexing import reading
from orchestrator.relay.indexing.lag import Lag
from orchestrator.relay.indexing.others import Others
from orchestrator.relay.indexing.reading import Batch
from orchestrator.settings import Settings

# How long Kafka may take to say which topics there are.
ANSWER_SECONDS = 1.0
# Longer than any batch takes: a server that is frozen answers nothing, and nothing ends by itself.
_WRITE_SECONDS = 120.0


class Follower:
    """One consumer's way through the topics, from the stored offsets on."""

    def __init__(self, settings: Settings, consumer: Consumer, connection: Connection[Any], lag: Lag) -> None:
        self._settings = settings
        self._consumer = consumer
        self._connection = connection
        self._lag = lag
        self._others = Others(settings)
        self._stored = offsets.stored(connection)
        # How far each partition is known to be read; more than is stored where it ends in what is no record.
        self._read: dict[Place, int] = {}
        self._failures: dict[Place, str] = {}
        self._missing: set[str] = set()
        self._has_looked = False

    @property
    def failure(self) -> str:
        """What keeps a topic from being read while others are; empty when nothing does."""
        return next((f"{topic}: {error}" for (topic, _), error in self._failures.items()), "")

    def look(self) -> None:
        """Read also what partitions are new, and no longer what is gone."""
        suffix, others = self._settings.kafka_dlq_suffix, self._others.names()
        found = reading.places(self._consumer, suffix, ANSWER_SECONDS, others)
        new, gone = found - self._read.keys(), self._read.keys() - found
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

    def take(self, batch: Batch) -> int:
        """Index a batch in one transaction; returns how many deaths are new."""
        written = self._write(batch) if batch.deaths else 0
        heard = batch.next_offsets | batch.ends
        # Of what is gone by now a last batch may still come.
        self._read |= {place: offset for place, offset in heard.items() if place in self._read}
        self._failures = {
            place: error for place, error in self._failures.items() if place not in heard
        } | batch.failures
        if self._has_looked:
            self._lag.look({place: self._end(place) for place in self._read}, self._read)
        return written

    def _write(self, batch: Batch) -> int:
        with postgres.cut_off_after(_WRITE_SECONDS, self._connection):
            written = writing.write(
                self._connection,
                batch.deaths,
                {place: Advance(self._stored.get(place), then) for place, then in batch.next_offsets.items()},
                max_replays=self._settings.max_replays,
            )
        self._stored |= batch.next_offsets
        return written

    def _forget_topics(self, existing: set[str]) -> None:
        """A topic that was deleted begins anew when it is made again.

        A broker that has just started may not know its topics yet: those are gone that are missing twice.
        """
        suffix = self._settings.kafka_dlq_suffix
        missing = {topic for topic, _ in self._stored if topic.endswith(suffix)} - existing
        gone = {
            place: offset for place, offset in self._stored.items() if place[0] in missing & self._missing
        }
        self._missing = missing
        if gone:
            offsets.forget(self._connection, gone)
            self._stored = {place: offset for place, offset in self._stored.items() if place not in gone}

    def _end(self, place: Place) -> int | None:
        marks = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
        return marks[1] if marks and marks[1] >= 0 else None
