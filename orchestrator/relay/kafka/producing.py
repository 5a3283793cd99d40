"""Records on their way to Kafka: sent with one producer that is kept, and each reported once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orchestrator import kafka
from orchestrator.deadletter.record import Record
from orchestrator.relay.entry import Entry
from orchestrator.relay.kafka.records import timestamp_ms
from orchestrator.settings import Settings

_LOG = structlog.get_logger(__name__)
_LAST_WORD_SECONDS = 1.0


@dataclass(frozen=True)
class Report:
    """What became of an entry's record; without an error Kafka has it, on all in-sync replicas."""

    entry: Entry
    error: KafkaError | None


class Sending:
    """The records that Kafka has not yet answered for. For one thread.

    `size` is how many bytes they hold, `rows` how many of them are from the overflow, `error` what librdkafka
    last said of the cluster as a whole.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Producer | None = None
        self._flying: dict[int, Entry] = {}
        self._reports: list[Report] = []
        self._is_broken = False
        self.size = self.rows = 0
        self.error = ""

    def __len__(self) -> int:
        return len(self._flying)

    @property
    def entries(self) -> list[Entry]:
        """Those that are under way."""
        return list(self._flying.values())

    def send(self, entry: Entry, topic: str, record: Record) -> None:
        """Send a record; what becomes of it `poll` will say, also where it is refused at once."""
        self._flying[id(entry)] = entry
        self.size += entry.size
        self.rows += entry.position is not None
        try:
            self._living.produce(
                topic,
                record.value,
                record.key,
                headers=list(record.headers),
                timestamp=timestamp_ms(record, self._settings.dlq_retention_days),
                on_delivery=partial(self._delivered, entry),
            )
        except KafkaException as error:
            self._report(entry, error.args[0])
        except BufferError:
            self._report(entry, KafkaError(KafkaError._QUEUE_FULL))  # noqa: SLF001 (that is its public name)

    def poll(self, wait_seconds: float = 0.0) -> list[Report]:
        """Reports that have come; waits for the first one.

        What was sent to a topic after a letter that came too late is reported as failed with it: it must not
        arrive before it.
        """
        reports = self._poll(wait_seconds)
        late = {report.entry.topic: report.error for report in reports if _is_late(report.error)}
        error = next((late[entry.topic] for entry in self.entries if entry.topic in late), None)
        if error is None:
            return reports
        self.give_up()
        return [*reports, *(replace(each, error=error) if each.error else each for each in self._poll())]

    def _poll(self, wait_seconds: float = 0.0) -> list[Report]:
        if self._producer is not None:
            self._producer.poll(0.0 if self._reports else wait_seconds)
        if self._is_broken:
            self._replace()
        reports, self._reports = self._reports, []
        return reports

    def give_up(self) -> None:
        """Have everything that is under way reported: as failed, where Kafka had not yet acknowledged it.

        What it had received all the same may be there twice afterwards. The producer is kept: a new one each
        time would never come to send anything.
        """
        if self._producer is None:
            return
        self._producer.purge()
        self._producer.flush(_LAST_WORD_SECONDS)
        if self._flying:
            self._replace()

    def finish(self, within_seconds: float) -> list[Report]:
        """Wait for what is under way, as long as that is allowed."""
        if self._producer is not None:
            self._producer.flush(within_seconds)
        self.give_up()
        reports = self.poll()
        self._producer = None
        return reports

    @property
    def _living(self) -> Producer:
        if self._producer is None:
            self._producer = kafka.producer(
                self._settings.kafka_bootstrap_servers,
                timeout_seconds=self._settings.kafka_timeout_seconds,
                max_bytes=self._settings.dlq_max_bytes,
                on_error=self._failed,
            )
        return self._producer

    def _replace(self) -> None:
        producer, self._producer, self._is_broken = self._producer, None, False
        if producer is not None:
            producer.purge()
            producer.flush(_LAST_WORD_SECONDS)
        # Late words of the old producer find nothing any more.
        for entry in self.entries:
            self._report(entry, KafkaError(KafkaError._PURGE_INFLIGHT))  # noqa: SLF001

    def _delivered(self, entry: Entry, error: KafkaError | None, _message: Message) -> None:
        self._report(entry, error)

    def _report(self, entry: Entry, error: Any) -> None:
        if self._flying.pop(id(entry), None) is None:
            return
        self.size -= entry.size
        self.rows -= entry.position is not None
        self._reports.append(Report(entry, error))
        if error is not None:
            self._look_at(error)

    def _failed(self, error: KafkaError) -> None:
        self.error = error.str()
        self._look_at(error)

    def _look_at(self, error: KafkaError) -> None:
        is_fatal = error.fatal() or error.code() == KafkaError._FATAL  # noqa: SLF001
        if is_fatal and not self._is_broken:
            self._is_broken = True
            _LOG.warning("kafka_producer_replaced", error=error.str())


def _is_late(error: KafkaError | None) -> bool:
    return error is not None and error.code() == KafkaError._MSG_TIMED_OUT  # noqa: SLF001
