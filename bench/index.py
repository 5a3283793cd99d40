"""Letters a second from Kafka into the index, beside a bare consumer that copies the records into a table.

Both begin at the start of one topic of four partitions, with an empty table in the same PostgreSQL, and take
turns. The time runs from before the connections are made until the last record is committed; the median of
the rounds is held against the bar. The index writes letter, death and history with all their indexes, each
letter once; the bare table has no index and no key, and knows nothing of what it holds.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import click
import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script sees only its own folder

from orchestrator import schema
from orchestrator.deadletter.death import Death
from orchestrator.deadletter.record import to_record
from orchestrator.dev.stack import running
from orchestrator.relay.indexing.indexer import Indexer
from orchestrator.settings import Settings

BAR = 5_000
PARTITIONS = 4
_TOPIC = "bench.dlq"
_BATCH = 1000
_STALL_SECONDS = 60.0
_BARE_TABLE = """
    CREATE TABLE bare (
        topic text, partition integer, record_offset bigint,
        key text, value bytea, headers json, at timestamptz)"""
_COPY = "COPY bare FROM STDIN"


@dataclass(frozen=True)
class Rates:
    """Letters a second, by round."""

    ours: list[float]
    bare: list[float]

    @property
    def median(self) -> float:
        """Of ours."""
        return statistics.median(self.ours)

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return self.median / statistics.median(self.bare)


@click.command(help=__doc__)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--letters", default=30_000, show_default=True, type=click.IntRange(min=1000))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, rounds: int, letters: int, as_json: bool) -> None:
    """Measure, print, and exit with 1 when the bar is missed."""
    try:
        rates = measure(rounds, letters)
    except KeyboardInterrupt:
        sys.exit(130)
    is_met = rates.median >= BAR
    if as_json:
        shown = {"letters": letters, "rounds": rounds, **vars(rates), "ratio": rates.ratio}
        click.echo(json.dumps(shown | {"bar": BAR, "met": is_met}))
    else:
        click.echo(f"{letters:,} letters, letters a second, median of {rounds} (rounds)")
        for name, values in (("indexed", rates.ours), ("bare consumer and COPY", rates.bare)):
            every = " ".join(f"{value:,.0f}" for value in values)
            click.echo(f"  {name:24} {statistics.median(values):8,.0f} ({every})")
        verdict = "met" if is_met else "missed"
        click.echo(f"  to the bare one: {rates.ratio:.2f}; bar: at least {BAR:,} letters/s: {verdict}")
    sys.exit(not is_met)


def measure(rounds: int, letters: int) -> Rates:
    """Letters a second of both, in turns, on servers of our own."""
    with running() as stack:
        schema.migrate(stack.database_url)
        settings = Settings(
            DATABASE_URL=stack.database_url, KAFKA_BOOTSTRAP_SERVERS=stack.kafka_bootstrap_servers
        )
        _fill(settings, letters)
        contenders: list[tuple[Callable[[Settings, int], float], list[float]]] = [(_index, []), (_copy, [])]
        with psycopg.connect(settings.database_url, autocommit=True) as database:
            database.execute(_BARE_TABLE)
            for number in range(rounds):
                for read, rates in contenders if number % 2 else reversed(contenders):
                    database.execute("TRUNCATE dead_letters, dead_letter_offsets, bare CASCADE")
                    rates.append(letters / read(settings, letters))
                    _check(database, letters, "dead_letters" if read is _index else "bare")
        return Rates(contenders[0][1], contenders[1][1])


def _fill(settings: Settings, letters: int) -> None:
    servers: dict[str, str | int | float | bool] = {"bootstrap.servers": settings.kafka_bootstrap_servers}
    admin = AdminClient(servers)
    for created in admin.create_topics([NewTopic(_TOPIC, PARTITIONS, 1)]).values():
        created.result(20)
    producer = Producer(servers | {"compression.type": "lz4"})
    for number in range(letters):
        record = to_record(_death(number), settings.dlq_max_bytes)
        assert record is not None
        producer.produce(_TOPIC, record.value, record.key, headers=list(record.headers))
        if number % _BATCH == 0:
            producer.flush()
    assert producer.flush(30) == 0


def _death(number: int) -> Death:
    """A letter as tasks leave them: a value of 1 KiB, a traceback of 2 KiB, many groups."""
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    return Death(
        id=f"{number:064x}",
        letter_id=f"{number:064x}",
        reason="retries_exhausted",
        task_id=f"00000000-0000-4000-8000-{number:012d}",
        task=f"shop.invoices.send_{number % 40}",
        queue=f"queue-{number % 8}",
        correlation_id=f"00000000-0000-4000-8000-{number:012d}",
        exception="shop.errors.Unreachable",
        message=f"the mail server refused invoice {number} of customer {number % 977}: try again later",
        traceback="Traceback (most recent call last):\n" + '  File "shop/mail.py", line 7, in send\n' * 50,
        fingerprint=f"{number % 100:016x}",
        worker="celery@host",
        attempts=4,
        deliveries=1,
        replay=0,
        first_failed_at=at,
        died_at=at,
        value=json.dumps([["x" * 1000], {"invoice": number}, {}]).encode(),
        value_is="body",
        headers={"task": "shop.invoices.send", "id": f"task-{number}", "retries": 3, "argsrepr": "('…',)"},
        properties={"correlation_id": f"task-{number}", "delivery_tag": f"tag-{number}", "priority": 0},
        content_type="application/json",
        content_encoding="utf-8",
    )


def _index(settings: Settings, letters: int) -> float:
    began = time.monotonic()
    indexer, stop = Indexer(settings), Event()
    thread = Thread(target=indexer.run, args=(stop,))
    thread.start()
    try:
        _wait(lambda: indexer.state()["indexed"] >= letters)
        return time.monotonic() - began
    finally:
        stop.set()
        thread.join()


def _copy(settings: Settings, letters: int) -> float:
    began = time.monotonic()
    with (
        _bare_consumer(settings) as consumer,
        psycopg.connect(settings.database_url, autocommit=True) as connection,
    ):
        copied = 0
        while copied < letters:
            messages: list[Any] = consumer.consume(_BATCH, 0.2)
            with connection.transaction(), connection.cursor().copy(_COPY) as copy:
                for message in messages:
                    copy.write_row(_row(message))
            copied += len(messages)
        return time.monotonic() - began


def _row(message: Any) -> tuple[Any, ...]:
    headers = json.dumps({name: value.decode() for name, value in message.headers()})
    at = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
    place = (message.topic(), message.partition(), message.offset())
    return (*place, message.key().decode(), message.value(), headers, at)


@contextmanager
def _bare_consumer(settings: Settings) -> Iterator[Consumer]:
    consumer = Consumer({"bootstrap.servers": settings.kafka_bootstrap_servers, "group.id": "bare"})
    consumer.assign([TopicPartition(_TOPIC, number, 0) for number in range(PARTITIONS)])
    try:
        yield consumer
    finally:
        consumer.close()


def _wait(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + _STALL_SECONDS
    while not condition():
        if time.monotonic() > give_up_at:
            raise TimeoutError("not everything was indexed in time")
        Event().wait(0.01)


def _check(database: psycopg.Connection[Any], letters: int, table: str) -> None:
    row = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 (our own names)
    assert row == (letters,), f"{table} has {row}"


if __name__ == "__main__":
    main()
