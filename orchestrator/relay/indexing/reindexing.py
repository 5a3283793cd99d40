"""Rebuilds what the index has from Kafka: the letters' own columns, from the beginning of every topic."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from psycopg import Connection

from orchestrator import kafka, postgres
from orchestrator.deadletter.death import Death
from orchestrator.errors import KafkaUnavailable
from orchestrator.index import writing
from orchestrator.index.offsets import Place
from orchestrator.index.writing import Written
from orchestrator.relay.indexing import reading
from orchestrator.relay.indexing.others import Others
from orchestrator.relay.indexing.reading import Batch
from orchestrator.settings import Settings

ANSWER_SECONDS = 5.0
# For how long a cluster that was there may be silent.
SILENCE_SECONDS = 30.0
_WAIT_SECONDS = 0.5
_WITHOUT_RECORD = """
    SELECT count(*) FROM dead_letter_deaths d
    WHERE NOT EXISTS (
        SELECT FROM unnest(%s::text[], %s::integer[], %s::bigint[]) AS r (topic, partition, first_offset)
        WHERE r.topic = d.topic AND r.partition = d.partition AND d.record_offset >= r.first_offset)"""


@dataclass(frozen=True)
class Account:
    """What became of the records: `read`, of which tell `letters_new` letters and `deaths_new` deaths.

    `rewritten` known deaths were not what their records say, and now are. `forgotten` records belong to
    letters that were closed and deleted by the retention. `kept_without_record` deaths have no record in
    Kafka any more, or never had, and stay as they are.
    """

    read: int
    letters_new: int
    deaths_new: int
    rewritten: int
    forgotten: int
    kept_without_record: int


def reindex(settings: Settings, on_progress: Callable[[int, int], None]) -> Account:
    """Read all dead-letter topics to where they end now, and make the letters' own columns what they say.

    States, history, edits and messages kept in PostgreSQL stay. An indexer may be at work meanwhile.
    `on_progress` is called with how many records were read, and roughly how many there are.

    Raises:
        KafkaUnavailable: Kafka does not answer. Run it again: what was written is right.
        psycopg.OperationalError: PostgreSQL does not.
    """
    with postgres.connect(settings.database_url) as connection:
        consumer = kafka.consumer(
            settings.kafka_bootstrap_servers, "omninode-reindex", enable_partition_eof=True
        )
        try:
            return _Reindexing(settings, connection, consumer, on_progress).run()
        except KafkaException as error:
            raise KafkaUnavailable(_sentence(settings, error.args[0].str())) from error
        finally:
            consumer.close()


class _Reindexing:
    def __init__(
        self,
        settings: Settings,
        connection: Connection[Any],
        consumer: Consumer,
        on_progress: Callable[[int, int], None],
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._consumer = consumer
        self._on_progress = on_progress

    def run(self) -> Account:
        suffix, others = self._settings.kafka_dlq_suffix, Others(self._settings).names()
        found = reading.places(self._consumer, suffix, ANSWER_SECONDS, others)
        ranges = {place: self._range(place) for place in sorted(found)}
        read, written = self._read_all({place: ends for place, ends in ranges.items() if ends[0] < ends[1]})
        return Account(
            read=read,
            letters_new=written.letters,
            deaths_new=written.deaths,
            rewritten=written.rewritten,
            forgotten=written.forgotten,
            kept_without_record=self._without_record({place: first for place, (first, _) in ranges.items()}),
        )

    def _range(self, place: Place) -> tuple[int, int]:
        marks = self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=ANSWER_SECONDS)
        if marks is None:
            raise KafkaUnavailable(_sentence(self._settings, f"no answer about {place[0]}"))
        return marks

    def _read_all(self, ranges: Mapping[Place, tuple[int, int]]) -> tuple[int, Written]:
        left = {place: end for place, (_, end) in ranges.items()}
        total = sum(end - first for first, end in ranges.values())
        read, written = 0, Written()
        self._on_progress(read, total)
        self._consumer.assign([TopicPartition(*place, first) for place, (first, _) in ranges.items()])
        heard_at = time.monotonic()
        while left:
            batch = reading.next_batch(self._consumer, self._settings.kafka_dlq_suffix, _WAIT_SECONDS)
            self._refuse(batch, time.monotonic() - heard_at)
            heard_at = heard_at if batch.is_silence else time.monotonic()
            # What has come since is the indexer's.
            deaths = [death for death in batch.deaths if (death.offset or 0) < left.get(_place(death), 0)]
            written += self._write(deaths)
            read += len(deaths)
            self._strike_off(batch, left)
            self._on_progress(read, total)
        return read, written

    def _refuse(self, batch: Batch, silent_seconds: float) -> None:
        for (topic, _), error in batch.failures.items():
            raise KafkaUnavailable(f"the topic {topic} cannot be read: {error}")
        if batch.is_silence and silent_seconds > SILENCE_SECONDS:
            raise KafkaUnavailable(_sentence(self._settings, f"nothing came for {SILENCE_SECONDS:g} s"))

    def _write(self, deaths: list[Death]) -> Written:
        return writing.write_counted(
            self._connection, deaths, max_replays=self._settings.max_replays, rewrite=True
        )

    def _strike_off(self, batch: Batch, left: dict[Place, int]) -> None:
        # The last offset of all may be no record, or be gone by now: then the partition's end is told.
        done = {
            *batch.ends,
            *(place for place, offset in batch.next_offsets.items() if offset >= left.get(place, offset + 1)),
        } & left.keys()
        for place in done:
            del left[place]
        if done:
            self._consumer.incremental_unassign([TopicPartition(*place) for place in done])

    def _without_record(self, first: Mapping[Place, int]) -> int:
        columns = ([topic for topic, _ in first], [number for _, number in first], list(first.values()))
        row = self._connection.execute(_WITHOUT_RECORD, columns).fetchone()
        return int(row[0]) if row else 0


def _sentence(settings: Settings, detail: str) -> str:
    return (
        f"Kafka at {settings.kafka_bootstrap_servers} does not answer ({detail}): "
        "is it running, and is KAFKA_BOOTSTRAP_SERVERS right?"
    )


def _place(death: Death) -> Place:
    return death.topic or "", death.partition or 0
