"""The topics are indexed by one relay at a time, each record once, from where the last one stopped."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from orchestrator.index.offsets import stored
from orchestrator.relay.indexing.indexer import Indexer
from orchestrator.settings import Settings
from tests.integration.index import topics as kafka_topics
from tests.integration.index.deaths import Database, death, letters
from tests.integration.index.topics import put, put_foreign
from tests.processes import wait_until

# An indexer of its own process, which can be killed.
_PROGRAM = (
    "from threading import Event; from orchestrator import settings;"
    "from orchestrator.relay.indexing.indexer import Indexer; Indexer(settings.load()).run(Event())"
)


@contextmanager
def _running(settings: Settings) -> Iterator[Indexer]:
    indexer, stop = Indexer(settings), Event()
    thread = Thread(target=indexer.run, args=(stop,))
    thread.start()
    try:
        yield indexer
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def _count(database: Database) -> int:
    row = database.execute("SELECT count(*) FROM dead_letter_deaths").fetchone()
    return int(row[0]) if row else 0


def _cut_connections(database: Database) -> None:
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def test_records_are_indexed_with_their_offsets_also_those_of_topics_and_partitions_that_come_later(
    topics: Settings, database: Database
) -> None:
    first, second = f"first{topics.kafka_dlq_suffix}", f"second{topics.kafka_dlq_suffix}"
    put(topics, first, [death("a"), death("b", "a", replay=1, minutes=1), death("a")])
    with _running(topics) as indexer:
        wait_until(lambda: _count(database) == 2)
        assert stored(database) == {(first, 0): 3}
        assert letters(database) == {"a": ("open", 1)}

        kafka_topics.create(topics, second, 2)
        put(topics, second, [death("c")], partition=0)
        put(topics, second, [death("d")], partition=1)
        put(topics, "not-ours", [death("e")])
        wait_until(lambda: _count(database) == 4)
        wait_until(lambda: indexer.state()["lag"] == 0)
        assert indexer.state() == {
            "lag": 0,
            "behind_seconds": 0.0,
            "indexed": 4,
            "lock": "held",
            "error": "",
        }
    row = database.execute("SELECT topic, partition, record_offset FROM dead_letter_deaths WHERE id = 'd'")
    assert row.fetchone() == (second, 1, 0)


def test_what_other_programs_have_written_is_indexed_as_foreign(topics: Settings, database: Database) -> None:
    topic = f"orders{topics.kafka_dlq_suffix}"
    spring = [
        ("kafka_dlt-exception-fqcn", b"java.lang.IllegalStateException"),
        ("kafka_dlt-exception-message", b"no \0 such \xff order"),
        ("nothing", None),
    ]
    put_foreign(topics, topic, b"\x00\xff no JSON", spring)
    put_foreign(topics, topic, None)
    # It claims to be one of ours, and is not.
    put_foreign(topics, topic, b"x", [("omninode-dlq-schema", b"1"), ("omninode-dlq-id", b"\xff\0")])
    put_foreign(topics, topic, b'{"task": "app.bill", "id": "t-1"}')
    with _running(topics):
        wait_until(lambda: _count(database) == 4)

    found = database.execute(
        "SELECT reason, queue, exception, message, task, task_id, is_foreign FROM dead_letters"
        " JOIN dead_letter_deaths d USING (id, reason, queue, exception, message) ORDER BY d.record_offset"
    ).fetchall()
    assert found == [
        ("foreign", "orders", "java.lang.IllegalStateException", "no \\x00 such \\xff order", "", "", True),
        ("foreign", "orders", "", "", "", "", True),
        ("foreign", "orders", "", "", "", "", True),
        ("foreign", "orders", "", "", "app.bill", "t-1", True),
    ]


def test_one_indexes_and_another_takes_over_when_it_is_killed(topics: Settings, database: Database) -> None:
    topic = f"bills{topics.kafka_dlq_suffix}"
    put(topics, topic, [death(f"early-{number}") for number in range(50)])
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM], env=os.environ)
    try:
        wait_until(lambda: _count(database) == 50)
        with _running(topics) as second:
            put(topics, topic, [death(f"then-{number}") for number in range(50)])
            wait_until(lambda: _count(database) == 100)
            assert second.state()["lock"] == "waits"
            assert second.state()["indexed"] == 0

            put(topics, topic, [death(f"late-{number}") for number in range(2000)])
            process.send_signal(signal.SIGKILL)
            wait_until(lambda: _count(database) == 2100)
            assert second.state()["lock"] == "held"
            wait_until(lambda: stored(database) == {(topic, 0): 2100})
    finally:
        process.kill()
        process.wait(5)
    assert database.execute("SELECT count(*) FROM dead_letter_history").fetchone() == (2100,)


def test_lost_connections_lose_and_double_nothing(topics: Settings, database: Database) -> None:
    topic = f"bills{topics.kafka_dlq_suffix}"
    with _running(topics) as indexer:
        for part in range(3):
            wait_until(lambda: indexer.state()["lock"] == "held")
            put(topics, topic, [death(f"{part}-{number}") for number in range(500)])
            _cut_connections(database)
        wait_until(lambda: _count(database) == 1500)
        wait_until(lambda: stored(database) == {(topic, 0): 1500})
        wait_until(lambda: indexer.state()["error"] == "")
    assert database.execute("SELECT count(*) FROM dead_letter_history").fetchone() == (1500,)


def test_an_indexer_that_was_overtaken_goes_on_from_where_the_other_one_is(
    topics: Settings, database: Database
) -> None:
    topic = f"bills{topics.kafka_dlq_suffix}"
    put(topics, topic, [death("a")])
    with _running(topics):
        wait_until(lambda: _count(database) == 1)
        database.execute("UPDATE dead_letter_offsets SET next_offset = 2")
        put(topics, topic, [death("told by the other one"), death("b")])

        wait_until(lambda: stored(database) == {(topic, 0): 3})
        assert list(letters(database)) == ["a", "b"]


def test_an_offset_that_is_gone_is_the_earliest_one_and_a_topic_made_anew_is_read_from_its_start(
    topics: Settings, database: Database
) -> None:
    topic, other = f"bills{topics.kafka_dlq_suffix}", f"deleted{topics.kafka_dlq_suffix}"
    put(topics, topic, [death("a"), death("b")])
    database.execute("INSERT INTO dead_letter_offsets VALUES (%s, 0, 70), (%s, 0, 1)", (topic, other))
    with _running(topics):
        wait_until(lambda: stored(database) == {(topic, 0): 2})
        put(topics, other, [death("c"), death("d")])

        wait_until(lambda: stored(database) == {(topic, 0): 2, (other, 0): 2})
        assert list(letters(database)) == ["a", "b", "c", "d"]


def test_servers_that_are_away_are_waited_for(topics: Settings, database: Database) -> None:
    nowhere: dict[str, Any] = {"database_url": "postgresql://me@127.0.0.1:1/db"}
    with _running(topics.model_copy(update=nowhere)) as indexer:
        wait_until(lambda: indexer.state()["error"].startswith("PostgreSQL: connection failed"))
    nowhere = {"kafka_bootstrap_servers": "127.0.0.1:1"}
    with _running(topics.model_copy(update=nowhere)) as indexer:
        wait_until(lambda: indexer.state()["error"].startswith("Kafka: "))
        assert indexer.state()["lock"] == "held"
