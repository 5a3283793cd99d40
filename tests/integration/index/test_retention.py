"""Letters that are too old are deleted, closed ones earlier, and no record opens those anew."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from orchestrator.index import retention
from orchestrator.index.retention import delete_old
from orchestrator.index.writing import write
from orchestrator.settings import Settings
from tasks.retention import enforce_retention
from tests.integration.index.deaths import Database, death, letters, set_state


def _add(database: Database, state: str, died_days_ago: float, in_state_for_days: float) -> str:
    name = f"{state}, died {died_days_ago:g}, since {in_state_for_days:g}"
    died_at = datetime.now(UTC) - timedelta(days=died_days_ago)
    write(database, [death(name, died_at=died_at, value=None, value_is="reference")], max_replays=5)
    database.execute("INSERT INTO dead_letter_values (id, value) VALUES (%s, 'x')", (name,))
    set_state(database, name, state, days_ago=in_state_for_days)
    return name


def _rows(database: Database, query: Any) -> list[Any]:
    return [row[0] for row in database.execute(query).fetchall()]


def test_open_letters_are_deleted_by_their_death_and_closed_ones_a_third_of_that_after_their_end(
    database: Database,
) -> None:
    stay = {
        _add(database, state, died, since)
        for state, died, since in (
            ("open", 29.9, 29.9),
            ("parked", 29.9, 29.9),
            ("replaying", 400, 29.9),
            ("resolved", 400, 9.9),
            ("archived", 29.9, 9.9),
        )
    }
    for state, died, since in (
        ("open", 30.1, 1),
        ("parked", 30.1, 1),
        ("replaying", 30.1, 30.1),
        ("resolved", 10.2, 10.1),
        ("archived", 400, 10.1),
    ):
        _add(database, state, died, since)

    assert delete_old(database, 30) == 5
    assert set(letters(database)) == stay
    assert set(_rows(database, "SELECT id FROM dead_letter_deaths")) == stay
    assert set(_rows(database, "SELECT id FROM dead_letter_values")) == stay


def test_a_record_that_kafka_still_has_opens_no_letter_that_was_closed_and_deleted(
    database: Database,
) -> None:
    name = _add(database, "resolved", 50, 40)
    told = death(name, died_at=datetime.now(UTC) - timedelta(days=50))
    delete_old(database, 90)

    assert write(database, [told], max_replays=5, rewrite=True) == 0
    database.execute("UPDATE dead_letter_tombstones SET closed_at = now() - interval '121 days'")
    delete_old(database, 90)
    assert _rows(database, "SELECT id FROM dead_letter_tombstones") == []


def test_messages_operations_and_batches_go_when_nothing_needs_them(database: Database) -> None:
    _add(database, "open", 1, 1)
    for days in (29, 31):
        database.execute(
            "INSERT INTO dead_letter_values VALUES (%s, 'x', now() - %s * interval '1 day')",
            (f"{days} days", days),
        )
    for days, is_used in ((59, False), (61, False), (61, True)):
        operation, batch = uuid4(), uuid4()
        database.execute(
            "INSERT INTO dead_letter_operations (id, action, who, why, filter, options, started_at)"
            " VALUES (%s, 'replay', 'me', %s, '{}', '{}', now() - %s * interval '1 day')",
            (operation, f"{days} days{', used' if is_used else ''}", days),
        )
        database.execute(
            "INSERT INTO replay_batches (id, operation_id, letters, created_at)"
            " VALUES (%s, %s, 1, now() - %s * interval '1 day')",
            (batch, operation, days),
        )
        if is_used:
            database.execute("UPDATE dead_letters SET batch_id = %s, batch_position = 0", (batch,))
    delete_old(database, 30)

    assert _rows(database, "SELECT id FROM dead_letter_values ORDER BY id")[0] == "29 days"
    assert len(_rows(database, "SELECT id FROM dead_letter_values")) == 2
    assert sorted(_rows(database, "SELECT why FROM dead_letter_operations")) == ["59 days", "61 days, used"]
    assert len(_rows(database, "SELECT id FROM replay_batches")) == 2


def test_the_task_deletes_them_in_batches_and_leaves_the_rest_to_the_next_run(
    environment: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 2)
    monkeypatch.setattr(retention, "BATCHES", 2)
    for days in range(91, 98):
        _add(database, "open", days, days)

    assert [enforce_retention()["dead_letters"] for _ in range(3)] == [4, 3, 0]
