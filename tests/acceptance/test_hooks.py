"""What is promised of hooks, with real workers and the real commands."""

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from orchestrator import redis
from orchestrator.settings import Settings
from tests.acceptance.hook_handlers import DIE_ONCE
from tests.commands import omninode
from tests.own_postgres import own_postgres
from tests.pages import ROOT
from tests.processes import start_worker, wait_until

Database = psycopg.Connection[Any]
OMNINODE = str(Path(sys.executable).parent / "omninode")
EXAMPLES = ROOT / "examples" / "github-webhooks.jsonl"
ALL_EXAMPLES = ROOT.parent / "shared" / "data" / "github-webhooks.jsonl"
MODULE = "tests.acceptance.hook_handlers"
HANDLERS = {"OMNINODE_IMPORTS": MODULE}


def _line(event: str, delivery_id: str, source: str = "test") -> str:
    return json.dumps({"event": event, "payload": {}, "source": source, "delivery_id": delivery_id}) + "\n"


def _ingest(*arguments: str, **more: Any) -> dict[str, Any]:
    done = omninode("hooks", "ingest", *arguments, "--json", within_seconds=150.0, **more)
    report: dict[str, Any] = json.loads(done.stdout)
    return report | {"code": done.code}


def _stats() -> dict[str, int]:
    stats: dict[str, int] = json.loads(omninode("hooks", "stats", "--json").stdout)
    return stats


def _noted(delivery_id: str) -> list[str]:
    """The ids of the tasks that ran for this delivery, each once."""
    return sorted({str(task_id) for task_id in redis.client().lrange(f"noted:{delivery_id}", 0, -1)})


def _staged(database: Database) -> list[str]:
    return [row[0] for row in database.execute("SELECT id::text FROM staged_tasks").fetchall()]


@pytest.mark.skipif(not ALL_EXAMPLES.exists(), reason="the whole of the real input is not here")
def test_the_real_input_is_processed_once_and_the_second_time_nothing_is_new(
    environment: Settings, database: Database
) -> None:
    with start_worker():
        first = _ingest(str(ALL_EXAMPLES))
        again = _ingest(str(ALL_EXAMPLES))

    assert {
        name: first[name] for name in ("code", "read", "sent", "refused", "new", "processed", "failed")
    } == {
        "code": 0,
        "read": 329,
        "sent": 329,
        "refused": 0,
        "new": 329,
        "processed": 329,
        "failed": 0,
    }
    assert (again["code"], again["new"], again["duplicates"], again["unsettled"]) == (0, 0, 329, 0)
    assert _stats() == {"received": 329, "processed": 329, "unhandled": 0, "failed": 0, "duplicates": 329}
    # What the handlers did was done once, too.
    assert database.execute("SELECT sum(events) FROM resources").fetchall() == [(329,)]


def test_hooks_end_as_processed_unhandled_or_failed(environment: Settings, database: Database) -> None:
    lines = _line("note", "d-1") + _line("refuse", "d-2") + _line("unheard_of", "d-3")
    with start_worker(environment=HANDLERS):
        report = _ingest("-", stdin=lines)
        wait_until(lambda: len(_noted("d-1")) == 1, what="the task that the handler enqueued")

    assert report["code"] == 1
    assert (report["processed"], report["failed"], report["unhandled"]) == (1, 1, 1)
    assert _stats() == {"received": 3, "processed": 1, "unhandled": 1, "failed": 1, "duplicates": 0}
    rows = database.execute("SELECT status, error, handlers FROM hook_events ORDER BY delivery_id").fetchall()
    assert rows == [
        ("processed", None, [f"{MODULE}.enqueue_note"]),
        (
            "failed",
            f"PermanentError: no use for d-2\nin the handler {MODULE}.refuse of test.refuse",
            [f"{MODULE}.refuse"],
        ),
        ("unhandled", None, []),
    ]
    ((waited,),) = database.execute(
        "SELECT min(settled_at - enqueued_at) FROM hook_events WHERE delivery_id = 'd-1'"
    ).fetchall()
    assert timedelta(0) < waited < timedelta(seconds=20)


PROCESS_AND_DIE = """
from orchestrator.celery import app
import tests.acceptance.hook_handlers
from tasks.hooks import process_hook
process_hook.apply(args=({"event": "note", "payload": {}, "source": "test", "delivery_id": "d-1"},))
"""


def test_what_a_dying_process_left_unsent_is_sent_by_beat_within_thirty_seconds(
    environment: Settings, database: Database, tmp_path: Path
) -> None:
    died = tmp_path / "died"
    process = subprocess.run(
        [sys.executable, "-c", PROCESS_AND_DIE], env=os.environ | {DIE_ONCE: str(died)}, cwd=ROOT, check=False
    )

    assert process.returncode == -signal.SIGKILL
    assert database.execute("SELECT delivery_id, status FROM hook_events").fetchall() == [
        ("d-1", "processed")
    ]
    (left,) = _staged(database)

    beat = ("--beat", "--schedule", str(tmp_path / "schedule"))
    with start_worker(*beat, environment=HANDLERS):
        wait_until(lambda: _noted("d-1") == [left], 30.0, "the task that was left unsent")
        wait_until(lambda: _staged(database) == [], what="the end of the sweep")


def test_a_worker_that_is_killed_between_commit_and_sending_loses_no_task(
    environment: Settings, database: Database, tmp_path: Path
) -> None:
    died = tmp_path / "died"
    beat = ("--beat", "--schedule", str(tmp_path / "schedule"))
    with start_worker(*beat, environment=HANDLERS | {DIE_ONCE: str(died)}):
        report = _ingest("-", stdin=_line("note", "d-1"))
        wait_until(lambda: len(_noted("d-1")) == 1, 30.0, "the task that was left unsent")
        assert died.exists()

    assert (report["code"], report["processed"]) == (0, 1)
    assert _staged(database) == []


def test_a_hook_whose_handler_is_killed_at_the_hard_limit_is_recorded_as_failed(
    environment: Settings, database: Database
) -> None:
    limits = {"TIMEOUT_OPERATION_DEFAULT": "1", "TIMEOUT_GRACE_PERIOD": "1"}
    with start_worker(environment=HANDLERS | limits):
        report = _ingest("-", stdin=_line("hang", "d-1"))

    assert (report["code"], report["failed"]) == (1, 1)
    assert database.execute("SELECT delivery_id, status, error FROM hook_events").fetchall() == [
        ("d-1", "failed", "TimeLimitExceeded: TimeLimitExceeded(2.0,)")
    ]


def _count(url: str, sql: str = "SELECT count(*) FROM hook_events") -> Any:
    with psycopg.connect(url) as connection:
        return connection.execute(sql.encode()).fetchall()[0][0]


def test_postgresql_that_crashes_in_the_middle_of_an_ingest_loses_nothing_and_doubles_nothing(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = len(EXAMPLES.read_text().splitlines())
    with own_postgres() as postgres:
        monkeypatch.setenv("DATABASE_URL", postgres.url)
        with start_worker():
            # Not all may be sent before the crash.
            command = [OMNINODE, "hooks", "ingest", str(EXAMPLES), "--json", "--max-queued", "20"]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as ingest:
                wait_until(lambda: _count(postgres.url) >= 40, 60.0, "the first forty hooks")
                postgres.crash()
                with pytest.raises(subprocess.TimeoutExpired):
                    ingest.wait(12)
                postgres.start_again()
                out, _ = ingest.communicate(timeout=120)

        report = json.loads(out)
        assert (ingest.returncode, report["processed"], report["failed"]) == (0, lines, 0)
        assert _count(postgres.url) == lines
        assert _count(postgres.url, "SELECT sum(events) FROM resources") == lines
