"""The demo ends well when everything is there, and says what is missing when it is not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from orchestrator.dev.stack import Addresses
from orchestrator.settings import Settings
from tests.commands import Done, omninode
from tests.pages import ROOT
from tests.processes import start_worker, wait_until
from tests.servers import clean_redis, environment_of, fresh_database

INPUT = ROOT / "examples" / "github-webhooks.jsonl"


@pytest.fixture(scope="module")
def processed(stack: Addresses, template: str) -> Iterator[Settings]:
    """Servers on which the demo's input has been processed, the first five hooks twice."""
    with (
        clean_redis(stack.redis_url) as redis_url,
        fresh_database(stack.database_url, template) as database_url,
        environment_of(stack, redis_url, database_url) as settings,
        start_worker(),
    ):
        assert omninode("hooks", "ingest", str(INPUT)).code == 0
        first = "".join(INPUT.read_text().splitlines(keepends=True)[:5])
        assert omninode("hooks", "ingest", "-", stdin=first).code == 0
        with psycopg.connect(database_url, autocommit=True) as database:
            wait_until(lambda: _work_left(database) == 0, 30, "the texts' comparison")
        yield settings


@pytest.fixture
def database(processed: Settings) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose changes the report sees, and which are undone after the test."""
    tables = ("hook_events", "texts", "similar_texts", "model_calls", "staged_tasks")
    with psycopg.connect(processed.database_url, autocommit=True) as connection:
        for table in tables:
            connection.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")
        yield connection
        connection.execute("TRUNCATE hook_events, texts, similar_texts, model_calls, staged_tasks")
        for table in tables:
            connection.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept_{table}")
            connection.execute(f"DROP TABLE kept_{table}")


def _work_left(database: psycopg.Connection[Any]) -> int:
    row = database.execute(
        "SELECT (SELECT count(*) FROM staged_tasks) + (SELECT count(*) FROM texts WHERE compared_at IS NULL)"
    ).fetchone()
    assert row
    return int(row[0])


def _report() -> tuple[int, list[str]]:
    done = omninode("demo", "--report-only", "--json")
    assert done.stdout, done.stderr
    return done.code, json.loads(done.stdout)["missing"]


def test_the_demo_runs_by_itself_and_reports_what_the_servers_say(tmp_path: Path) -> None:
    done: Done = omninode("demo", "--json", environment={"TMPDIR": str(tmp_path)}, within_seconds=120)

    assert done.code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["hooks"] == {
        "received": 165,
        "processed": 165,
        "unhandled": 0,
        "failed": 0,
        "duplicates": 5,
    }
    assert report["missing"] == []
    assert report["texts"] == 20
    assert report["model_calls"]["ok"] == report["model_calls"]["calls"] >= 20
    assert report["queued"] == {"models": 0, "hooks": 0, "admin": 0, "celery": 0}
    assert report["pairs"][0]["score"] > 0.99
    assert sum(label["texts"] for label in report["labels"]) == 20
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_missing_when_all_was_processed(processed: Settings) -> None:
    assert _report() == (0, [])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DELETE FROM hook_events WHERE event = 'ping'", "(ping) is not stored"),
        ("UPDATE hook_events SET status = 'failed', error = 'x' WHERE event = 'ping'", "(ping) is failed: x"),
        ("DELETE FROM texts WHERE kind = 'discussion'", "the text of discussion"),
        ("UPDATE texts SET embedding = array_fill(0, ARRAY[256])::vector", "has no embedding"),
        ("UPDATE texts SET embedding = NULL WHERE kind = 'issue'", "has no embedding"),
        ("UPDATE texts SET label = NULL WHERE kind = 'commit'", "has no label"),
        ("DELETE FROM model_calls", "is not recorded"),
        ("DELETE FROM similar_texts", "are similar, and no pair says so"),
        (
            """INSERT INTO staged_tasks (id, delivery_id, task, args, kwargs, options, due_at)
               VALUES (gen_random_uuid(), 'x', 'probe.none', '[]', '{}', '{}', now() + interval '1 day')""",
            "1 staged tasks were not sent",
        ),
        ("UPDATE hook_events SET duplicates = 0", "5 deliveries were sent twice, 0 were seen"),
    ],
)
def test_whatever_is_missing_is_named(
    database: psycopg.Connection[Any], damage: LiteralString, said: str
) -> None:
    assert database.execute(damage).rowcount > 0

    code, missing = _report()

    assert code == 1
    assert any(said in sentence for sentence in missing), missing
