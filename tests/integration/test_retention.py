"""What is too old is deleted, and nothing else."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Json

from orchestrator import settings
from orchestrator.settings import Settings
from tasks import retention
from tasks.hooks import process_hook
from tasks.retention import enforce_retention

Database = psycopg.Connection[Any]
EMPTY = Json({})


def _add_hook(database: Database, days_old: float, name: str = "") -> None:
    database.execute(
        "INSERT INTO hook_events (delivery_id, source, event, action, resource, resource_id, correlation_id,"
        " occurred_at, payload, previous_state, current_state, status, settled_at)"
        " VALUES (%s, 's', 'e', 'a', 'r', '1', 'c', now(), %s, %s, %s, 'processed',"
        " now() - %s * interval '1 day')",
        (name or uuid4().hex, EMPTY, EMPTY, EMPTY, days_old),
    )


def _add_call(database: Database, days_old: float) -> None:
    database.execute(
        "INSERT INTO model_calls (id, model, operation, outcome, latency_seconds, started_at)"
        " VALUES (%s, 'local', 'embed', 'ok', 0.1, now() - %s * interval '1 day')",
        (uuid4(), days_old),
    )


def _add_resource(database: Database, days_old: float) -> None:
    database.execute(
        "INSERT INTO resources"
        " (source, resource, resource_id, first_seen_at, last_seen_at, last_action, stored_at, state)"
        " VALUES ('s', 'r', %s, now(), now(), 'opened', now() - %s * interval '1 day', %s)",
        (uuid4().hex, days_old, EMPTY),
    )


def _add_text(database: Database, days_old: float) -> int:
    row = database.execute(
        "INSERT INTO texts (subject, kind, content, content_sha256, delivery_id, stored_at)"
        " VALUES (%s, 'issue', 'text', %s, 'd', now() - %s * interval '1 day') RETURNING id",
        (uuid4().hex, b"x", days_old),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _add_staged(database: Database, days_old: float) -> None:
    database.execute(
        "INSERT INTO staged_tasks (id, delivery_id, task, args, kwargs, options, staged_at, due_at)"
        " VALUES (%s, 'd', 't', %s, %s, %s, now() - %s * interval '1 day', now())",
        (uuid4(), EMPTY, EMPTY, EMPTY, days_old),
    )


def _count(database: Database, table: str) -> int:
    row = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 (our own names)
    assert row is not None
    return int(row[0])


def test_rows_older_than_the_retention_are_deleted_and_younger_ones_stay(
    environment: Settings, database: Database
) -> None:
    for add in (_add_hook, _add_call, _add_resource, _add_text):
        for days_old in (29.9, 30.1, 400):
            add(database, days_old)

    assert enforce_retention() == {
        "hook_events": 2,
        "model_calls": 2,
        "texts": 2,
        "resources": 2,
        "dead_letters": 0,
    }
    assert [_count(database, table) for table in retention.AGED] == [1, 1, 1, 1]


def test_what_was_stored_lately_stays_however_long_ago_it_happened(
    environment: Settings, database: Database
) -> None:
    ingested = {
        "event": "star",
        "delivery_id": "d-1",
        "payload": {"starred_at": "2019-05-15T15:20:40Z", "repository": {"full_name": "octocat/hello"}},
    }
    process_hook.apply(args=(ingested,))

    assert enforce_retention()["resources"] == 0
    assert _count(database, "resources") == 1


def test_a_resource_that_is_heard_of_again_stays(environment: Settings, database: Database) -> None:
    for delivery_id in ("d-1", "d-2"):
        ingested = {
            "event": "star",
            "delivery_id": delivery_id,
            "payload": {"repository": {"full_name": "octocat/hello"}},
        }
        process_hook.apply(args=(ingested,))
        if delivery_id == "d-1":
            database.execute("UPDATE resources SET stored_at = now() - interval '400 days'")

    assert enforce_retention()["resources"] == 0
    assert _count(database, "resources") == 1


def test_the_retention_is_a_setting(environment: Settings, database: Database) -> None:
    _add_hook(database, days_old=2)
    settings.use(environment.model_copy(update={"retention_days": 1.5}))

    assert enforce_retention()["hook_events"] == 1


def test_pairs_go_with_their_texts(environment: Settings, database: Database) -> None:
    old, young, younger = (_add_text(database, days_old) for days_old in (31, 2, 1))
    for text, other in ((old, young), (young, younger)):
        database.execute("INSERT INTO similar_texts VALUES (%s, %s, 0.9)", (text, other))
    enforce_retention()

    assert database.execute("SELECT text_id, other_id FROM similar_texts").fetchall() == [(young, younger)]


def test_staged_tasks_are_never_deleted_because_they_are_work_that_is_not_sent(
    environment: Settings, database: Database
) -> None:
    _add_staged(database, days_old=400)
    enforce_retention()

    assert _count(database, "staged_tasks") == 1


def test_a_large_backlog_goes_oldest_first_over_several_runs(
    environment: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 2)
    monkeypatch.setattr(retention, "BATCHES_PER_TABLE", 2)
    for days_old in (31, 32, 33, 34, 35, 36, 37):
        _add_hook(database, days_old, name=f"{days_old} days")

    assert enforce_retention()["hook_events"] == 4
    left = database.execute("SELECT delivery_id FROM hook_events ORDER BY settled_at").fetchall()
    assert left == [("33 days",), ("32 days",), ("31 days",)]
    assert [enforce_retention()["hook_events"] for _ in range(2)] == [3, 0]


def test_a_row_that_somebody_works_on_is_left_to_the_next_run(
    environment: Settings, database: Database, database_url: str
) -> None:
    _add_resource(database, days_old=31)
    with psycopg.connect(database_url) as other:
        other.execute("UPDATE resources SET stored_at = now()")

        assert enforce_retention()["resources"] == 0
    assert (enforce_retention()["resources"], _count(database, "resources")) == (0, 1)


def test_only_one_run_works_at_a_time(environment: Settings, database: Database, database_url: str) -> None:
    _add_hook(database, days_old=31)
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (0x6F6D6E72,))

        assert enforce_retention() == {}
    assert enforce_retention()["hook_events"] == 1
