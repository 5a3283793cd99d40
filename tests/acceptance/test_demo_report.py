"""The demo's report says what is missing and when nothing is; what is wrong is refused."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from rich.console import Console

from orchestrator.dev.stack import Addresses
from orchestrator.settings import Settings
from tasks.cli.demo import stay
from tasks.demo.measured import Comparison, Measured
from tasks.demo.report import _components
from tests.commands import omninode
from tests.pages import ROOT
from tests.processes import start_worker, wait_until
from tests.servers import clean_redis, environment_of, fresh_database

INPUT = ROOT / "examples" / "github-webhooks.jsonl"
UNUSED: Any = None


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
    done = omninode("demo", "--report-only", "--json", starts_nothing=True)
    assert done.stdout, done.stderr
    return done.code, json.loads(done.stdout)["missing"]


def test_a_figure_that_the_dashboard_and_postgresql_do_not_share_is_missing() -> None:
    compared = (
        Comparison("deaths", 22, 22),
        Comparison("orders stored", 20, 21),
        Comparison("calls", None, 0),
    )
    measured = Measured("healthy", (), 0.0, None, {}, (), compared)

    assert list(measured.missing()) == [
        "orders stored: the dashboard says 20, PostgreSQL says 21",
        "calls: the dashboard does not know, PostgreSQL says 0",
    ]


def test_why_the_dashboard_says_degraded_is_told() -> None:
    reasons = ("no worker serves models", "21 dead letters in an hour [red]")
    console = Console(width=80, record=True, file=io.StringIO())

    console.print(_components(Measured("degraded", reasons, 0.0, None, {}, (), ())))

    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert lines[:3] == [
        "What the dashboard says: degraded",
        "  no worker serves models",
        "  21 dead letters in an hour [red]",
    ]


def test_without_a_terminal_the_demo_does_not_stay_and_names_no_address_that_is_gone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stay(UNUSED, as_json=False)

    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no hook in"),
        ("\n{", "line 2 of"),
        ('{"event": "ping"}', "is no hook: `payload` is missing"),
    ],
)
def test_an_input_that_is_wrong_is_refused_before_anything_is_started(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "hooks.jsonl").write_text(text)
    environment = {"TMPDIR": str(tmp_path)}
    wrong = str(tmp_path / "hooks.jsonl")
    refused = omninode("demo", "--input", wrong, environment=environment, starts_nothing=True)
    assert refused.code != 0
    assert refused.stderr.startswith("omninode: ")
    assert said in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["hooks.jsonl"]


def test_a_report_on_servers_that_are_away_is_a_sentence() -> None:
    away = {"DATABASE_URL": "postgresql://postgres@127.0.0.1:1/postgres"}
    refused = omninode("demo", "--report-only", environment=away, within_seconds=10, starts_nothing=True)
    assert refused.code == 1
    assert refused.stderr.startswith("omninode: PostgreSQL does not answer")


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
