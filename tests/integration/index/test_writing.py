"""Deaths are indexed once each, whatever the order in which they come, and none is dropped."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from orchestrator.deadletter.death import Death
from orchestrator.errors import OvertakenIndexer
from orchestrator.index.offsets import Advance, stored
from orchestrator.index.writing import write, write_counted
from tests.integration.index.deaths import NOON, Database, death, history, letters, own_columns, set_state
from tests.processes import wait_until

PLACE = ("bills.dlq", 0)


def _write(database: Database, *deaths: Death, rewrite: bool = False) -> int:
    return write(database, deaths, max_replays=3, rewrite=rewrite)


def test_a_first_death_is_an_open_letter_with_all_that_its_record_says(database: Database) -> None:
    assert _write(database, death("a")) == 1

    assert own_columns(database) == (
        [
            (
                *("a", "task-of-a", "app.bill", "bills", "c-1", "exception", "ValueError"),
                *("a is no number", "0123456789abcdef", "w@host", 3, 0),
                *(NOON - timedelta(seconds=30), NOON, False, "bills.dlq"),
            )
        ],
        [
            (
                *("a", "a", 0, "bills", "exception", "ValueError", "a is no number", "Traceback", "w@host"),
                *(3, 1, NOON - timedelta(seconds=30), NOON),
                *('{"task": "app.bill", "id": "task-of-a"}', '{"delivery_tag": "t"}'),
                *("application/json", "utf-8", b"[[],{},{}]", "body", "bills.dlq", 0, 7),
            )
        ],
    )
    assert letters(database) == {"a": ("open", 0)}
    assert history(database, "a") == [("died", "exception: ValueError")]


def test_a_death_that_is_told_again_changes_nothing(database: Database) -> None:
    _write(database, death("a"), death("a", offset=9))
    set_state(database, "a", "resolved")
    before = own_columns(database)

    assert _write(database, death("a", message="other"), death("a", offset=8)) == 0
    assert own_columns(database) == before
    assert letters(database) == {"a": ("resolved", 0)}
    assert len(history(database, "a")) == 1


def _outcome(database: Database, parts: Iterable[Sequence[Death]]) -> tuple[Any, ...]:
    with database.transaction(force_rollback=True):
        for part in parts:
            _write(database, *part)
        told = database.execute("SELECT event, at, detail FROM dead_letter_history ORDER BY at").fetchall()
        return own_columns(database), letters(database), told


def test_the_order_in_which_deaths_come_does_not_matter(database: Database) -> None:
    for latest, state, event in ((2, "open", "failed again"), (3, "parked", "parked")):
        told = [
            death("a", minutes=0),
            death("a", minutes=0),
            death("b", "a", replay=1, minutes=10, exception="KeyError"),
            # Its clock was wrong.
            death("c", "a", replay=latest, minutes=5, exception="OSError", reason="hard_timeout"),
        ]
        outcomes = [
            _outcome(database, parts)
            for order in permutations(told)
            for parts in ([order], [order[:2], order[2:]], [[each] for each in order])
        ]

        (of_letters, of_deaths), states, events = outcomes[0]
        assert all(outcome == outcomes[0] for outcome in outcomes)
        assert [row[5:7] for row in of_letters] == [("hard_timeout", "OSError")]
        assert [row[11:14] for row in of_letters] == [
            (latest, NOON - timedelta(seconds=30), NOON + timedelta(minutes=5))
        ]
        assert len(of_deaths) == 3
        assert states == {"a": (state, latest)}
        assert [name for name, _, _ in events] == ["died", event, "failed again"]


# State and number of the latest replay; the number of the replay that has died; both after it.
AFTER_A_DEATH = [
    (("replaying", 1), 1, ("open", 1)),
    (("replaying", 3), 3, ("parked", 3)),
    (("open", 1), 1, ("open", 1)),
    # Whoever said that it had succeeded was wrong: what has died stays to be seen.
    (("resolved", 1), 1, ("open", 1)),
    (("replaying", 2), 1, ("replaying", 2)),
    (("resolved", 2), 1, ("resolved", 2)),
    # A person has put it away.
    (("archived", 1), 1, ("archived", 1)),
    (("parked", 1), 1, ("parked", 1)),
    # PostgreSQL was restored from a backup.
    (("open", 0), 2, ("open", 2)),
]


def test_a_replay_that_dies_opens_its_letter_or_parks_it(database: Database) -> None:
    for case, (before, died, after) in enumerate(AFTER_A_DEATH):
        name = f"letter-{case}"
        _write(database, death(name))
        set_state(database, name, *before)
        database.execute("UPDATE dead_letters SET batch_id = %s, batch_position = 4", (uuid4(),))
        _write(database, death(f"{name}/again", name, replay=died, minutes=1))

        assert letters(database)[name] == after, before
        row = database.execute(
            "SELECT batch_id IS NOT NULL FROM dead_letters WHERE id = %s", (name,)
        ).fetchone()
        assert row == (died < before[1],)
        event = "parked" if died == 3 else "failed again"
        assert history(database, name)[1:] == [(event, "exception: ValueError")]


def test_what_postgresql_refuses_as_text_or_json_is_escaped(database: Database) -> None:
    odd = death(
        "a",
        message="NUL \0 and half \ud83d",
        task="é" * 5000,
        headers={"rate": float("nan"), "half": "\ud83d\0"},
        died_at=datetime.min.replace(tzinfo=UTC),
        queue="x" * 100_000,
    )
    assert _write(database, odd, death("ok")) == 2

    row = database.execute(
        "SELECT message, length(task), died_at FROM dead_letters WHERE id = 'a'"
    ).fetchone()
    assert row == ("NUL \\x00 and half \\ud83d", 480, datetime(1970, 1, 1, tzinfo=UTC))
    kept = database.execute("SELECT headers FROM dead_letter_deaths WHERE id = 'a'").fetchone()
    assert kept == ({"rate": "nan", "half": "\ud83d\0"},)


def test_a_letter_that_is_deleted_while_its_death_is_written_is_written_as_it_is(
    database: Database,
) -> None:
    # As if the retention had deleted it between two statements: a sequence counts what is undone too.
    database.execute("CREATE TEMPORARY SEQUENCE attempts")
    database.execute(
        "CREATE FUNCTION pg_temp.refuse_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF nextval('attempts') = 1 THEN RAISE foreign_key_violation; END IF; RETURN NEW; END $$"
    )
    database.execute(
        "CREATE TRIGGER refuse_once BEFORE INSERT ON dead_letter_deaths"
        " FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse_once()"
    )
    try:
        assert _write(database, death("a")) == 1
    finally:
        database.execute("DROP TRIGGER refuse_once ON dead_letter_deaths")

    row = database.execute("SELECT message, value_is FROM dead_letter_deaths").fetchone()
    assert row == ("a is no number", "body")


def test_an_id_that_is_no_key_is_hashed_and_its_replays_find_it(database: Database) -> None:
    long = "é\0" * 5000
    _write(database, death(long))
    _write(database, death("b", long, replay=1))

    assert [(len(name), state) for name, state in letters(database).items()] == [(64, ("open", 1))]


def test_one_death_that_is_refused_holds_up_nobody_and_is_kept_with_its_bytes(database: Database) -> None:
    database.execute("ALTER TABLE dead_letters ADD CHECK (message <> 'poison')")
    some = [death(f"{number}") for number in range(9)]
    some[5] = replace(some[5], message="poison", value=b"\0the bytes")

    assert _write(database, *some) == 9
    row = database.execute("SELECT message, value FROM dead_letter_deaths WHERE id = '5'").fetchone()
    assert row is not None
    assert row[0].startswith("PostgreSQL refused this letter as it was: new row for relation")
    assert row[1] == b"\0the bytes"
    assert database.execute("SELECT count(*) FROM dead_letters").fetchone() == (9,)


def test_two_letters_that_claim_one_death_are_the_first_one(database: Database) -> None:
    _write(database, death("a"), death("b", "a", replay=1))

    assert _write(database, death("b", "other", replay=1)) == 0
    assert letters(database) == {"a": ("open", 1)}


def test_offsets_are_written_with_their_letters(database: Database) -> None:
    write(database, [death("a")], {PLACE: Advance(None, 8)}, max_replays=3)
    write(database, [death("b")], {PLACE: Advance(8, 12), ("x.dlq", 1): Advance(None, 1)}, max_replays=3)

    assert stored(database) == {PLACE: 12, ("x.dlq", 1): 1}


def test_letters_are_committed_with_the_callers_transaction_and_not_before(
    database: Database, database_url: str
) -> None:
    with psycopg.connect(database_url) as other:
        write(other, [death("a")], {PLACE: Advance(None, 8)}, max_replays=3)
        assert (letters(database), stored(database)) == ({}, {})
        other.rollback()
        write(other, [death("b")], max_replays=3)
    assert letters(database) == {"b": ("open", 0)}


def test_an_indexer_that_was_overtaken_writes_nothing(database: Database) -> None:
    write(database, [death("a")], {PLACE: Advance(None, 8)}, max_replays=3)

    for known in (None, 7, 9):
        moved = {("x.dlq", 1): Advance(None, 1), PLACE: Advance(known, 12)}
        with pytest.raises(OvertakenIndexer):
            write(database, [death("b")], moved, max_replays=3)
    assert stored(database) == {PLACE: 8}
    assert list(letters(database)) == ["a"]


def test_to_rewrite_restores_own_columns_and_nothing_else(database: Database) -> None:
    told = [death("a"), death("b", "a", replay=1, minutes=1, offset=8), death("c", offset=9)]
    _write(database, *told)
    set_state(database, "a", "archived", 1, days_ago=3)
    untouched = "SELECT id, state, state_at, replay, batch_id FROM dead_letters ORDER BY id"
    before = own_columns(database), database.execute(untouched).fetchall(), history(database, "a")
    database.execute("UPDATE dead_letters SET task = 'wrong', died_at = now() WHERE id = 'a'")
    database.execute("UPDATE dead_letter_deaths SET value = 'wrong', record_offset = 70 WHERE id = 'b'")

    # On the topic a second time, with other words.
    again = replace(told[1], offset=33, message="other")
    written = write_counted(database, told, max_replays=3, rewrite=True)
    written += write_counted(database, [again], max_replays=3, rewrite=True)
    assert (written.deaths, written.rewritten) == (0, 1)
    assert (own_columns(database), database.execute(untouched).fetchall(), history(database, "a")) == before


def test_a_letter_that_was_closed_and_deleted_is_opened_by_a_new_death_alone(database: Database) -> None:
    database.execute("INSERT INTO dead_letter_tombstones VALUES ('a', %s)", (NOON,))

    written = write_counted(database, [death("a"), death("x")], max_replays=3)
    assert (written.deaths, written.forgotten, list(letters(database))) == (1, 1, ["x"])
    assert _write(database, death("b", "a", replay=1, minutes=1)) == 1
    assert letters(database)["a"] == ("open", 1)


def test_two_that_write_deaths_of_one_letter_at_the_same_time_agree_which_is_the_latest(
    database: Database, database_url: str
) -> None:
    _write(database, death("a"))

    def write_earlier() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            write(connection, [death("b", "a", replay=1, minutes=1)], max_replays=9)

    with ThreadPoolExecutor(1) as pool, psycopg.connect(database_url) as other:
        write(other, [death("c", "a", replay=2, minutes=2)], max_replays=9)
        earlier = pool.submit(write_earlier)
        wait_until(lambda: _waits_for_a_lock(database))
        other.commit()
        earlier.result(10)

    assert letters(database) == {"a": ("open", 2)}
    row = database.execute("SELECT replays, message FROM dead_letters").fetchone()
    assert row == (2, "c is no number")
    assert len(history(database, "a")) == 3


def test_two_that_write_the_same_letters_in_other_orders_do_not_stop_each_other(
    database: Database, database_url: str
) -> None:
    names = [f"letter-{number}" for number in range(40)]

    def one(replay: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            for _ in range(5):
                told = [death(f"{name}/{replay}", name, replay=replay, minutes=replay) for name in names]
                write(connection, told if replay == 1 else told[::-1], max_replays=9, rewrite=True)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, (1, 2)))

    assert set(letters(database).values()) == {("open", 2)}


def _waits_for_a_lock(database: Database) -> bool:
    row = database.execute(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    return row is not None
