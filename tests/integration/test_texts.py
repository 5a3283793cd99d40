"""Texts kept, compared and labelled, on a real PostgreSQL."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from threading import Barrier
from typing import Any

import psycopg
import pytest
from celery import Celery

from orchestrator import postgres, settings
from orchestrator.install import install
from orchestrator.settings import Settings
from tasks.hooks import Hook, HookEvent
from tasks.models import ask
from tasks.texts import keep_texts, relate_text
from tasks.texts.similar import keep_similar
from tests.processes import Worker, wait_until

Database = psycopg.Connection[Any]

CRASH = "The worker crashes when the queue is empty."
CRASH_TOO = "When the queue is empty, the worker crashes!"
PRAISE = "Thank you, I love it. Great praise for your work!"


@pytest.fixture(autouse=True)
def _servers(environment: Settings) -> None:
    """Every test here asks PostgreSQL."""


def _event(payload: dict[str, Any], event: str = "issues", delivery_id: str = "d-1") -> HookEvent:
    return HookEvent(
        id=delivery_id,
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        source="github",
        event=event,
        action="opened",
        resource="issue",
        resource_id="o/r#1",
        correlation_id="o/r#1",
        payload=payload,
        previous_state={},
        current_state={},
    )


def _issue(number: int, body: str) -> dict[str, Any]:
    return {"issue": {"html_url": f"https://github.com/o/r/issues/{number}", "title": "T", "body": body}}


def _keep(payload: dict[str, Any], **named: Any) -> list[int]:
    """Handle a hook and commit it; the ids of the texts whose comparison was enqueued."""
    with postgres.transaction() as connection:
        hook = Hook(connection)
        keep_texts(_event(payload, **named), hook)
    assert {staged.task for staged in hook.staged} <= {"omninode.models.relate_text"}
    return [json.loads(staged.kwargs)["text_id"] for staged in hook.staged]


def _store(database: Database, subject: str, content: str) -> int:
    (row,) = database.execute(
        "INSERT INTO texts (subject, kind, content, content_sha256, delivery_id)"
        " VALUES (%s, 'issue', %s, %s, 'd') RETURNING id",
        (subject, content, sha256(content.encode()).digest()),
    ).fetchall()
    return int(row[0])


def _pairs(database: Database) -> list[tuple[int, int]]:
    return database.execute("SELECT text_id, other_id FROM similar_texts ORDER BY 1, 2").fetchall()


def _calls(database: Database) -> int:
    return int(database.execute("SELECT count(*) FROM model_calls").fetchall()[0][0])


def test_a_new_text_is_kept_with_its_delivery_and_enqueued(database: Database) -> None:
    (text_id,) = _keep(_issue(1, "B"), delivery_id="d-7")
    assert database.execute(
        "SELECT id, subject, kind, content, content_sha256, delivery_id FROM texts"
    ).fetchall() == [
        (text_id, "https://github.com/o/r/issues/1", "issue", "T\n\nB", sha256(b"T\n\nB").digest(), "d-7")
    ]


def test_a_text_that_is_known_is_not_kept_again_and_a_later_version_is(database: Database) -> None:
    first = _keep(_issue(1, "B"))
    assert _keep(_issue(1, "B"), delivery_id="d-2") == []
    second = _keep(_issue(1, "B, edited"), delivery_id="d-3")
    assert len(first) == len(second) == 1
    assert database.execute("SELECT delivery_id FROM texts ORDER BY id").fetchall() == [("d-1",), ("d-3",)]


def test_a_hook_that_is_not_committed_leaves_no_text(database: Database) -> None:
    with postgres.transaction() as connection:
        keep_texts(_event(_issue(1, "B")), Hook(connection))
        connection.rollback()
    assert database.execute("SELECT count(*) FROM texts").fetchall() == [(0,)]


def test_a_text_that_postgresql_could_not_store_is_kept(database: Database) -> None:
    _keep(_issue(1, "NUL \x00 and surrogate \ud800"))
    assert database.execute("SELECT content FROM texts").fetchall() == [
        ("T\n\nNUL \ufffd and surrogate \ufffd",)
    ]


def test_hooks_with_the_same_texts_in_another_order_do_not_wait_for_each_other_for_ever() -> None:
    commits = [{"url": f"https://github.com/o/r/commit/{n}", "message": f"Commit {n}"} for n in range(60)]
    for round_number in range(5):
        both = Barrier(2)

        def keep(order: list[dict[str, Any]], both: Barrier = both, number: int = round_number) -> list[int]:
            both.wait(10)
            renamed = [commit | {"message": f"{commit['message']} {number}"} for commit in order]
            return _keep({"commits": renamed}, event="push")

        with ThreadPoolExecutor(2) as threads:
            kept = list(threads.map(keep, [commits, commits[::-1]]))
        assert sum(map(len, kept)) == 60


def test_a_text_gets_a_vector_a_label_and_the_pairs_it_belongs_to(database: Database) -> None:
    ids = [_store(database, f"s{n}", content) for n, content in enumerate((CRASH, PRAISE, CRASH_TOO))]
    for text_id in ids:
        relate_text(text_id)
    assert _pairs(database) == [(ids[0], ids[2])]
    (score,) = database.execute("SELECT score FROM similar_texts").fetchall()
    expected = ask("local", "similarity", [CRASH, CRASH_TOO]).output
    assert score[0] == pytest.approx(expected, abs=1e-5)
    rows = database.execute(
        "SELECT label, label_score > 0, model, vector_dims(embedding), compared_at <= clock_timestamp(),"
        " (SELECT input_tokens > 0 FROM model_calls WHERE id = model_call_id) FROM texts ORDER BY id"
    ).fetchall()
    done = (True, "local", 256, True, True)
    assert rows == [("bug report", *done), ("praise", *done), ("bug report", *done)]


def test_the_configured_labels_are_taken(environment: Settings, database: Database) -> None:
    settings.use(environment.model_copy(update={"labels": ("fruit", "software")}))
    text_id = _store(database, "s", "Apples and pears are on the tree")
    relate_text(text_id)
    assert database.execute("SELECT label FROM texts").fetchall() == [("fruit",)]


def test_versions_of_one_subject_are_no_pair(database: Database) -> None:
    for content in (CRASH, CRASH_TOO):
        relate_text(_store(database, "same subject", content))
    assert _pairs(database) == []


def test_only_the_best_pairs_above_the_threshold_are_kept(environment: Settings, database: Database) -> None:
    ids = [_store(database, f"s{n}", CRASH + " again" * n) for n in range(14)]
    for text_id in ids[1:]:
        database.execute(
            "UPDATE texts SET model = 'local', embedding = %s::text::vector WHERE id = %s",
            (str(ask("local", "embed", CRASH + " again" * (text_id - ids[0])).output[0]), text_id),
        )
    relate_text(ids[0])
    assert _pairs(database) == [(ids[0], other) for other in ids[1:11]]
    database.execute("DELETE FROM similar_texts; UPDATE texts SET compared_at = NULL")
    settings.use(environment.model_copy(update={"similarity_threshold": 0.999}))
    relate_text(ids[0])
    assert _pairs(database) == []


def test_a_second_delivery_changes_nothing_and_calls_no_model(database: Database) -> None:
    ids = [_store(database, f"s{n}", content) for n, content in enumerate((CRASH, CRASH_TOO))]
    for text_id in ids:
        relate_text(text_id)
    state = "SELECT texts::text, similar_texts::text FROM texts LEFT JOIN similar_texts ON text_id = id"
    before, calls = database.execute(state).fetchall(), _calls(database)
    for text_id in ids:
        relate_text(text_id)
    assert (database.execute(state).fetchall(), _calls(database)) == (before, calls)


def test_a_task_that_died_after_the_vector_is_finished_without_the_model(database: Database) -> None:
    ids = [_store(database, f"s{n}", content) for n, content in enumerate((CRASH, CRASH_TOO))]
    for text_id in ids:
        relate_text(text_id)
    calls = _calls(database)
    database.execute("DELETE FROM similar_texts; UPDATE texts SET compared_at = NULL, label = NULL")
    relate_text(ids[1])
    assert _pairs(database) == [(ids[0], ids[1])]
    assert database.execute("SELECT label FROM texts WHERE id = %s", (ids[1],)).fetchall() == [
        ("bug report",)
    ]
    assert _calls(database) == calls


def test_a_text_that_is_gone_is_no_error(database: Database) -> None:
    text_id = _store(database, "s", CRASH)
    database.execute("DELETE FROM texts")
    relate_text(text_id)
    assert _calls(database) == 0


def test_a_text_without_a_vector_has_no_pair_and_no_label_and_is_done_with(database: Database) -> None:
    zeros = f"[{','.join(['0'] * 256)}]"
    ids = [_store(database, f"s{n}", f"{n}") for n in range(2)]
    database.execute("UPDATE texts SET model = 'local', embedding = %s::text::vector", (zeros,))
    third = _store(database, "s3", CRASH)
    for text_id in (*ids, third):
        relate_text(text_id)
    assert _pairs(database) == []
    assert (
        database.execute(
            "SELECT label, label_score, compared_at IS NOT NULL FROM texts WHERE id = ANY(%s)", (ids,)
        ).fetchall()
        == [(None, None, True)] * 2
    )


def test_a_vector_that_is_not_committed_is_seen_by_the_task_that_commits_it(
    database_url: str, database: Database
) -> None:
    ids = [_store(database, f"s{n}", CRASH) for n in range(2)]
    (vector,) = ask("local", "embed", CRASH).output
    write = "UPDATE texts SET model = 'local', embedding = %s::text::vector WHERE id = %s"
    with psycopg.connect(database_url) as slow, psycopg.connect(database_url) as quick:
        slow.execute(write, (str(vector), ids[0]))
        quick.execute(write, (str(vector), ids[1]))
        quick.commit()
        keep_similar(quick, ids[1])
        quick.commit()
        assert _pairs(database) == []
        slow.commit()
        keep_similar(slow, ids[0])
    assert _pairs(database) == [(ids[0], ids[1])]


def test_tasks_at_the_same_moment_find_every_pair_between_them(database: Database) -> None:
    for round_number in range(5):
        ids = [_store(database, f"round {round_number}, {n}", CRASH) for n in range(4)]
        together = Barrier(len(ids))

        def relate(text_id: int, together: Barrier = together) -> None:
            together.wait(10)
            relate_text(text_id)

        with ThreadPoolExecutor(len(ids)) as threads:
            list(threads.map(relate, ids))
        assert _pairs(database) == [(one, other) for one in ids for other in ids if one < other]
        database.execute("DELETE FROM texts")


@pytest.fixture
def retention(database_url: str) -> Iterator[Database]:
    """A transaction that deletes texts, and is rolled back if the test does not commit it."""
    connection = psycopg.connect(database_url)
    yield connection
    connection.close()


def test_a_text_that_is_being_deleted_is_neither_waited_for_nor_paired(
    database: Database, retention: Database
) -> None:
    ids = [_store(database, f"s{n}", CRASH) for n in range(3)]
    relate_text(ids[0])
    relate_text(ids[1])
    retention.execute("DELETE FROM texts WHERE id = %s", (ids[0],))
    relate_text(ids[2])
    retention.commit()
    assert _pairs(database) == [(ids[1], ids[2])]


def test_a_worker_relates_the_texts_of_hooks(worker: Worker, database: Database) -> None:
    app = install(Celery("tests", set_as_current=False))
    for number, body in enumerate((CRASH, CRASH_TOO)):
        hook = {"event": "issues", "payload": {"action": "opened", **_issue(number, body)}}
        app.send_task("omninode.hooks.process", kwargs={"event": hook})
    compared = "SELECT count(*) FROM texts WHERE compared_at IS NOT NULL"
    wait_until(lambda: database.execute(compared).fetchall() == [(2,)], 30.0, "the comparison")
    assert len(_pairs(database)) == 1
    app.close()
