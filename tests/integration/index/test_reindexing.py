"""The index can be made anew from Kafka, and what lives in PostgreSQL alone stays."""

from dataclasses import replace
from threading import Event, Thread
from typing import Any

import pytest

from orchestrator.errors import KafkaUnavailable
from orchestrator.index.writing import write
from orchestrator.relay.indexing.indexer import Indexer
from orchestrator.relay.indexing.reindexing import Account, reindex
from orchestrator.settings import Settings
from tests.integration.index.deaths import Database, death, own_columns, set_state
from tests.integration.index.topics import put, put_foreign
from tests.processes import wait_until

_ALONE = "SELECT id, state, state_at, replay, batch_id FROM dead_letters ORDER BY id"
_HISTORY = "SELECT letter_id, event, at, detail FROM dead_letter_history ORDER BY letter_id, at, position"


def _fill(settings: Settings) -> str:
    """Deaths and replays of letters, duplicates, and foreign records, on two topics; 9 records, 8 deaths."""
    bills, orders = f"bills{settings.kafka_dlq_suffix}", f"orders{settings.kafka_dlq_suffix}"
    again = death("a", minutes=0, message="the same death, told with other words")
    put(settings, bills, [death("a"), death("b", "a", replay=1, minutes=5), death("c"), again, death("d")])
    put(settings, orders, [death("e", queue="orders"), death("f", "c", replay=1, minutes=7, queue="orders")])
    put_foreign(settings, orders, b"\xff", [("kafka_dlt-exception-message", b"no order")])
    put_foreign(settings, orders, None)
    return bills


def _index(settings: Settings, database: Database) -> None:
    indexer, stop = Indexer(settings), Event()
    thread = Thread(target=indexer.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: indexer.state()["lag"] == 0)
    finally:
        stop.set()
        thread.join(20)


def _nothing(_read: int, _total: int) -> None:
    pass


def test_an_index_that_is_full_and_one_that_was_emptied_become_what_they_were(
    topics: Settings, database: Database
) -> None:
    _fill(topics)
    _index(topics, database)
    write(database, [death("never in Kafka", topic=None, partition=None, offset=None)], max_replays=5)
    set_state(database, "a", "archived", 1)
    set_state(database, "c", "replaying", 2)
    database.execute("INSERT INTO dead_letter_values (id, value) VALUES ('d', 'kept')")
    before = own_columns(database)
    alone = database.execute(_ALONE).fetchall(), database.execute(_HISTORY).fetchall()
    told: list[tuple[int, int]] = []

    account = reindex(topics, lambda read, total: told.append((read, total)))
    assert account == Account(
        read=9, letters_new=0, deaths_new=0, rewritten=0, forgotten=0, kept_without_record=1
    )
    assert (told[0], told[-1]) == ((0, 9), (9, 9))
    assert own_columns(database) == before
    assert (database.execute(_ALONE).fetchall(), database.execute(_HISTORY).fetchall()) == alone

    database.execute("DELETE FROM dead_letters WHERE id <> 'never in Kafka'")
    account = reindex(topics, _nothing)
    assert (account.read, account.letters_new, account.deaths_new) == (9, 6, 8)
    assert own_columns(database) == before
    assert database.execute(_HISTORY).fetchall() == alone[1]
    assert database.execute("SELECT id FROM dead_letter_values").fetchall() == [("d",)]


def test_columns_that_are_wrong_are_set_right(topics: Settings, database: Database) -> None:
    _fill(topics)
    _index(topics, database)
    before = own_columns(database)
    database.execute("UPDATE dead_letters SET message = 'wrong', first_failed_at = now(), replays = 9")
    database.execute("UPDATE dead_letter_deaths SET value = 'wrong' WHERE id IN ('a', 'b')")
    database.execute("DELETE FROM dead_letter_deaths WHERE id = 'f'")

    account = reindex(topics, _nothing)
    assert (account.rewritten, account.deaths_new) == (2, 1)
    assert own_columns(database) == before


def test_it_runs_beside_the_indexer(topics: Settings, database: Database) -> None:
    bills = _fill(topics)
    some = [death(f"{number}", minutes=number) for number in range(600)]
    put(topics, bills, some + [replace(each, id=f"{each.id}/1", replay=1) for each in some])
    indexer, stop = Indexer(topics), Event()
    thread = Thread(target=indexer.run, args=(stop,))
    thread.start()
    try:
        account = reindex(topics, _nothing)
        wait_until(lambda: indexer.state()["lag"] == 0)
    finally:
        stop.set()
        thread.join(20)

    counts: Any = database.execute(
        "SELECT (SELECT count(*) FROM dead_letters), (SELECT count(*) FROM dead_letter_deaths),"
        " (SELECT count(*) FROM dead_letter_history), (SELECT count(*) FROM dead_letters WHERE replays = 1)"
    ).fetchone()
    assert counts == (606, 1208, 1208, 602)
    assert (account.read, account.deaths_new + indexer.state()["indexed"]) == (1209, 1208)


def test_without_kafka_it_says_so(topics: Settings, database: Database) -> None:
    away = topics.model_copy(update={"kafka_bootstrap_servers": "127.0.0.1:1"})

    with pytest.raises(KafkaUnavailable, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        reindex(away, _nothing)


def test_without_topics_there_is_nothing_to_do(topics: Settings, database: Database) -> None:
    assert reindex(topics, _nothing) == Account(0, 0, 0, 0, 0, 0)
