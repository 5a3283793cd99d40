"""Ships letters to their topics: by Kafka's answer each is safe, waits, or goes to PostgreSQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import structlog
from confluent_kafka import KafkaError, KafkaException

from orchestrator.deadletter.record import refer
from orchestrator.relay.entry import Entry
from orchestrator.relay.kafka.lanes import Lanes
from orchestrator.relay.kafka.producing import Report, Sending
from orchestrator.relay.kafka.records import record_of
from orchestrator.relay.kafka.telling import Telling
from orchestrator.relay.kafka.topics import Topics
from orchestrator.relay.kafka.verdict import Verdict, judge
from orchestrator.relay.overflow.refuge import Refuge, closed_seconds
from orchestrator.settings import Settings

_LOG = structlog.get_logger(__name__)
# The lane of what waits for PostgreSQL to take a message that is too large for a record.
_VALUES = "PostgreSQL"
# We gave them up ourselves: that says nothing of Kafka.
_GIVEN_UP = {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}  # noqa: SLF001 (their public names)


class Shipping:
    """For one thread. `took_at` is when Kafka last took a record, `sent` how many it has taken.

    What is safe is told to `is_safe`: in Kafka, or in PostgreSQL.
    """

    def __init__(
        self,
        settings: Settings,
        refuge: Refuge,
        is_safe: Callable[[Entry], None],
        clock: Callable[[], float],
    ) -> None:
        self._max_bytes = settings.dlq_max_bytes
        self._refuge = refuge
        self._is_safe = is_safe
        self._clock = clock
        self.topics = Topics(settings, clock)
        self.sending = Sending(settings)
        self.lanes = Lanes()
        self.telling = Telling(clock)
        self.sent = 0
        self.took_at = clock()
        self.error = ""

    def turn(self) -> None:
        """Work off reports, and send what is due."""
        self.wait(0.0)
        if self.lanes:
            under_way = {entry.topic for entry in self.sending.entries}
            self._send(self.lanes.due(self._clock(), under_way))

    def wait(self, seconds: float) -> None:
        """Wait for a report, but not longer."""
        self._settle(self.sending.poll(seconds))

    def ship(self, entries: Sequence[Entry]) -> None:
        """Send them, or let them wait with others of their topic."""
        shut = set(self.lanes.shut(self._clock()))
        self._send([entry for entry in entries if entry.topic not in shut])
        for topic, some in _by_topic(entry for entry in entries if entry.topic in shut):
            lane = self.lanes.of(topic)
            if lane.is_refusing:
                self._put_away(topic, some, lane.error, lane.opens_at - self._clock())
            else:
                self._wait(topic, some)

    @property
    def is_idle(self) -> bool:
        """Whether it holds nothing."""
        return not self.sending and next(self.lanes.waiting(), None) is None

    def rows(self) -> int:
        """How many rows of the overflow it holds."""
        return self.sending.rows + sum(entry.position is not None for entry in self.lanes.waiting())

    def held(self) -> list[Entry]:
        """Everything that is neither safe nor given back."""
        return [*self.sending.entries, *self.lanes.waiting()]

    def give_back(self) -> list[Entry]:
        """Give up everything, the oldest first: some of it may be in Kafka all the same."""
        waiting = self.lanes.take_all()
        self.sending.give_up()
        given_up = []
        for report in self.sending.poll():
            if report.error is None:
                self._settle([report])
            else:
                given_up.append(report.entry)
        return sorted([*given_up, *waiting], key=lambda entry: entry.order)

    def finish(self, within_seconds: float) -> None:
        """Wait for what is under way, as long as that is allowed."""
        self._settle(self.sending.finish(within_seconds))

    def _send(self, entries: Sequence[Entry]) -> None:
        error = self._prepare({entry.topic for entry in entries}) if entries else ""
        for entry in entries:
            place = self.topics.place(entry.topic)
            if place is None:
                self._later(entry, error or self.topics.error(entry.topic))
            else:
                self._send_one(entry, place)

    def _prepare(self, topics: set[str]) -> str:
        try:
            self.topics.ensure(topics)
        except KafkaException as error:
            said = str(error.args[0].str())
            self.telling.failed(said)
            return said
        return ""

    def _send_one(self, entry: Entry, place: str) -> None:
        death, record = record_of(entry, self._max_bytes)
        if record is None or entry.by_reference:
            if not self._refuge.keep_value(death.id, entry.raw):
                self._later(entry, self._refuge.error, _VALUES)
                return
            record = refer(death)
        self.sending.send(entry, place, record)

    def _settle(self, reports: Iterable[Report]) -> None:
        refused: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        took, failed = False, ""
        for report in reports:
            entry, verdict = report.entry, judge(report.error)
            said = report.error.str() if report.error else ""
            if verdict is Verdict.SENT:
                took = True
                self._took(entry)
            elif verdict is Verdict.LATER:
                failed = failed if _is_ours(report.error) else said
                self._later(entry, said)
            elif not self._tries_otherwise(entry, verdict):
                if verdict is Verdict.CLOSED:
                    self._close(entry.topic, said)
                entry.refusals += 1
                refused[entry.topic, said].append(entry)
        if took:
            self.telling.took()
        if failed:
            self.telling.failed(failed)
        for (topic, said), entries in refused.items():
            most = max(entry.refusals for entry in entries)
            self._put_away(topic, entries, said, closed_seconds(most))

    def _took(self, entry: Entry) -> None:
        self.sent += 1
        self.took_at = self._clock()
        self.error = ""
        self.lanes.took(entry.topic)
        self._is_safe(entry)

    def _later(self, entry: Entry, error: str, lane: str = "") -> None:
        self.error = error
        self.lanes.of(lane or entry.topic).postpone(error, self._clock())
        if entry.position is None:
            self._wait(lane or entry.topic, [entry])
        else:
            self._refuge.release([entry])

    def _tries_otherwise(self, entry: Entry, verdict: Verdict) -> bool:
        """A batch is refused as a whole: each goes alone, to a topic configured anew, then as a reference."""
        if verdict is Verdict.CLOSED:
            return False
        if not entry.alone:
            entry.alone = True
        elif verdict is Verdict.TOO_LARGE and not entry.by_reference:
            entry.by_reference = True
        else:
            return False
        if verdict is Verdict.TOO_LARGE:
            self.topics.forget(entry.topic)
        self.lanes.of(entry.topic).add(entry)
        return True

    def _close(self, topic: str, error: str) -> None:
        lane = self.lanes.of(topic)
        if lane.error != error:
            _LOG.warning("topic_refuses_letters", topic=topic, error=error)
        lane.postpone(error, self._clock(), is_refusing=True)
        self.topics.forget(topic)

    def _put_away(self, topic: str, entries: Sequence[Entry], error: str, due_in_seconds: float) -> None:
        if self._refuge.store(entries, error, max(0.0, due_in_seconds)):
            for entry in entries:
                if entry.position is None:
                    self._is_safe(entry)
            return
        # PostgreSQL is away as well: they stay in Redis, and wait here as long as there is room.
        self.lanes.of(topic).postpone(error, self._clock())
        self._wait(topic, [entry for entry in entries if entry.position is None])

    def _wait(self, topic: str, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.lanes.of(topic).add(entry)


def _is_ours(error: KafkaError | None) -> bool:
    return error is not None and error.code() in _GIVEN_UP


def _by_topic(entries: Iterable[Entry]) -> Iterable[tuple[str, list[Entry]]]:
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry.topic].append(entry)
    return found.items()
