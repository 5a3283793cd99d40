"""What became of a replay reaches its letter, once, and whatever is away meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

import psycopg
import pytest

from orchestrator import keys, redis
from orchestrator.index.outcomes import Outcome, apply
from orchestrator.index.writing import write
from orchestrator.relay import returning
from orchestrator.relay.returning import Returner
from orchestrator.settings import Settings
from tests.integration.index.deaths import NOON, Database, death, history, letters, set_state
from tests.processes import wait_until


def _resolved(letter: str, replay: int = 1) -> Outcome:
    return Outcome(letter, replay, "resolved", NOON + timedelta(hours=1))


def _revoked(letter: str, replay: int = 1) -> Outcome:
    return Outcome(letter, replay, "revoked", NOON + timedelta(hours=1))


def _add(database: Database, letter: str, state: str = "replaying", replay: int = 1) -> None:
    write(database, [death(letter)], max_replays=5)
    set_state(database, letter, state, replay)


def test_a_replay_that_succeeded_resolves_its_letter_once(database: Database) -> None:
    _add(database, "a")

    assert [apply(database, [_resolved("a"), _resolved("a")]), apply(database, [_resolved("a")])] == [1, 0]
    assert letters(database) == {"a": ("resolved", 1)}
    assert history(database, "a") == [("died", "exception: ValueError"), ("resolved", "replay 1")]
    at = database.execute("SELECT at FROM dead_letter_history WHERE event = 'resolved'").fetchone()
    assert at == (NOON + timedelta(hours=1),)


def test_a_replay_that_a_person_revoked_opens_its_letter(database: Database) -> None:
    _add(database, "a")

    assert apply(database, [_revoked("a")]) == 1
    assert letters(database) == {"a": ("open", 1)}
    assert history(database, "a")[1:] == [("revoked", "replay 1")]


def test_an_outcome_counts_where_nothing_later_is_known(database: Database) -> None:
    for state in ("open", "parked", "archived", "replaying"):
        _add(database, state, state)
    _add(database, "replayed again", "replaying", 2)
    _add(database, "from a backup", "open", 0)
    _add(database, "died again")
    write(database, [death("d", "died again", replay=1)], max_replays=5)
    told = (
        "open",
        "parked",
        "archived",
        "replaying",
        "replayed again",
        "from a backup",
        "died again",
        "not there",
    )

    assert apply(database, [_resolved(letter) for letter in told]) == 4
    assert letters(database) == {
        "archived": ("archived", 1),
        "died again": ("open", 1),
        "from a backup": ("resolved", 1),
        "open": ("resolved", 1),
        "parked": ("resolved", 1),
        "replayed again": ("replaying", 2),
        "replaying": ("resolved", 1),
    }


def test_a_letter_that_was_opened_again_stays_open_when_its_outcome_is_told_again(database: Database) -> None:
    _add(database, "a")
    apply(database, [_resolved("a")])
    set_state(database, "a", "open", 1)

    assert apply(database, [_resolved("a")]) == 0
    assert letters(database) == {"a": ("open", 1)}


def test_what_is_no_outcome_of_a_letter_changes_nothing(database: Database) -> None:
    odd = [_resolved("\0"), _resolved("é" * 9999), _resolved("a", 0), _resolved("a", 2**40)]

    assert apply(database, odd) == 0
    assert apply(database, []) == 0


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(returning, "_WAIT_MS", 100)


@contextmanager
def _running(settings: Settings) -> Iterator[Returner]:
    returner, stop = Returner(settings), Event()
    thread = Thread(target=returner.run, args=(stop,))
    thread.start()
    try:
        yield returner
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def _tell(client: Any, **fields: str) -> None:
    client.xadd(keys.outcomes(), {"at": NOON.isoformat()} | fields)


def test_outcomes_come_from_redis_and_stay_there_until_postgresql_has_them(
    environment: Settings, database: Database
) -> None:
    for letter in ("a", "b", "c"):
        _add(database, letter)
    with redis.connect(environment.redis_url) as client:
        key: Any = keys.outcomes()
        _tell(client, letter_id="a", replay="1", outcome="resolved")
        _tell(client, letter_id="b", replay="1", outcome="revoked")
        _tell(client, nonsense="yes")
        away = environment.model_copy(update={"database_url": "postgresql://me@127.0.0.1:1/db"})
        with _running(away) as returner:
            wait_until(lambda: returner.state()["error"])
            assert client.xlen(key) == 3
        # Another relay had read them when it was killed.
        client.xreadgroup("relay", "returner", {key: ">"}, count=3)

        with _running(environment) as returner:
            wait_until(lambda: client.xlen(key) == 0)
            _tell(client, letter_id="c", replay="1", outcome="resolved")
            wait_until(lambda: letters(database)["c"] == ("resolved", 1))
            wait_until(lambda: client.xlen(key) == 0)
            assert returner.state() == {"returned": 3, "error": ""}
            client.delete(key)
            _add(database, "d")
            _tell(client, letter_id="d", replay="1", outcome="resolved")
            wait_until(lambda: letters(database)["d"] == ("resolved", 1))
    assert letters(database) == {
        "a": ("resolved", 1),
        "b": ("open", 1),
        "c": ("resolved", 1),
        "d": ("resolved", 1),
    }


def test_a_connection_that_is_lost_is_made_again(environment: Settings, database: Database) -> None:
    _add(database, "a")
    with redis.connect(environment.redis_url) as client, _running(environment) as returner:
        wait_until(lambda: client.exists(keys.outcomes()))
        wait_until(lambda: _others(database))
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        _tell(client, letter_id="a", replay="1", outcome="resolved")

        wait_until(lambda: letters(database)["a"] == ("resolved", 1))
        wait_until(lambda: returner.state()["error"] == "")


def _others(database: psycopg.Connection[Any]) -> int:
    row = database.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"
    ).fetchone()
    return int(row[0]) if row else 0


def test_the_outcome_of_an_event_waits_for_its_letter_and_no_other_one_waits_with_it(
    environment: Settings, database: Database
) -> None:
    _add(database, "task's")
    now = datetime.now(UTC).isoformat()
    with redis.connect(environment.redis_url) as client, _running(environment) as returner:
        key: Any = keys.outcomes()
        _tell(client, letter_id="event's", outcome="published", at=now)
        wait_until(lambda: sum(group["pending"] for group in client.xinfo_groups(key)) == 1)

        _tell(client, letter_id="task's", replay="1", outcome="resolved")
        wait_until(lambda: letters(database)["task's"] == ("resolved", 1))
        assert returner.state()["error"] == ""
        _add(database, "event's", "open", 0)
        wait_until(lambda: letters(database)["event's"] == ("resolved", 0))
        wait_until(lambda: client.xlen(key) == 0)
