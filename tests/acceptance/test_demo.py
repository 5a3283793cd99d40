"""The demo ends well when everything is there, and says what is missing when it is not."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg
import pytest

from orchestrator.dev.environment import FOREIGN
from orchestrator.dev.stack import Addresses
from orchestrator.settings import Settings
from tasks.cli.demo import stay
from tasks.demo.measured import Comparison, Measured
from tests.commands import Done, omninode
from tests.pages import ROOT
from tests.processes import start_worker, wait_until
from tests.servers import clean_redis, environment_of, fresh_database

OMNINODE = str(Path(sys.executable).parent / "omninode")
_WITH_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY)
os.execv(sys.argv[1], sys.argv[1:])
"""
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
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Input that is worked off soon."""
    lines = tmp_path_factory.mktemp("input") / "few.jsonl"
    lines.write_text("".join(INPUT.read_text().splitlines(keepends=True)[:9]))
    return lines


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
    """Whatever broker the user's environment names."""
    foreign = dict.fromkeys(FOREIGN, "redis://127.0.0.1:1/0")
    environment = {"TMPDIR": str(tmp_path), **foreign}
    done: Done = omninode("demo", "--json", environment=environment, within_seconds=120)

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
    assert "Ctrl-C" not in done.stderr
    assert report["texts"] == 20
    assert report["model_calls"]["ok"] == report["model_calls"]["calls"] >= 20
    assert report["queued"] == {"models": 0, "hooks": 0, "admin": 0, "celery": 0}
    assert report["pairs"][0]["score"] > 0.99
    assert sum(label["texts"] for label in report["labels"]) == 20
    assert [(group["letters"], group["exception"]) for group in report["letters"].pop("died")] == [
        (20, "psycopg.errors.UndefinedTable"),
        (1, "orchestrator.errors.InvalidArguments"),
    ]
    assert report["letters"] == {"died_again": 1, "resolved": 21, "open": 0, "orders": 21}
    outage = report["outage"]
    assert (outage["calls"], outage["answered"], outage["letters"]) == (120, 120, 0)
    assert outage["reached_while_away"] <= outage["at_most"] == 5 + outage["probes"]
    assert 95 <= outage["set_aside"] <= 100
    assert outage["opened"] >= outage["closed"] == 1
    assert outage["retries"] <= outage["reached_while_away"]
    assert outage["opened_at"] < outage["closed_at"]
    compared = {
        each["what"]: (each["dashboard"], each["postgresql"]) for each in report["measured"]["compared"]
    }
    assert compared.items() >= {
        ("deaths", (22, 22)),
        ("deliveries of hooks taken", (170, 170)),
        ("orders stored", (21, 21)),
        ("calls of the model demo answered", (120, 120)),
        ("demo.store_order, in the history", (43, 43)),
        ("omninode.hooks.process, in the history", (170, 170)),
    }
    assert report["measured"]["resilience"]["circuit_breaker_trips"] == outage["opened"]
    assert _left_in(tmp_path) == []


def test_a_figure_that_the_dashboard_and_postgresql_do_not_share_is_missing() -> None:
    compared = (
        Comparison("deaths", 22, 22),
        Comparison("orders stored", 20, 21),
        Comparison("calls", None, 0),
    )
    measured = Measured("healthy", 0.0, None, {}, (), compared)

    assert list(measured.missing()) == [
        "orders stored: the dashboard says 20, PostgreSQL says 21",
        "calls: the dashboard does not know, PostgreSQL says 0",
    ]


def test_without_a_terminal_the_demo_does_not_stay_and_names_no_address_that_is_gone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stay(UNUSED, as_json=False)

    assert capsys.readouterr().out == ""


def test_on_a_terminal_the_report_stays_until_ctrl_c_which_is_a_success(tmp_path: Path, few: Path) -> None:
    environment = {"TMPDIR": str(tmp_path), "TERM": "xterm"}
    with _on_a_terminal(environment, "demo", "--input", str(few)) as (process, screen):
        said = ""
        while "Ctrl-C stops everything." not in said:
            said += os.read(screen, 65536).decode(errors="replace")
        os.write(screen, b"\x03")
        assert process.wait(10) == 0
    assert "Where to look while it is up:" in said
    # The start's spinner would be drawn again and again beside the ingest's bars.
    assert "sending" in said
    assert "starting" not in said.partition("sending")[2]


def test_a_kill_of_the_demo_leaves_nothing_even_of_its_ingest(tmp_path: Path) -> None:
    (tmp_path / "many.jsonl").write_text('{"event": "ping", "payload": {}}\n' * 20_000)
    command = [OMNINODE, "demo", "--input", str(tmp_path / "many.jsonl")]
    demo = subprocess.Popen(command, env=os.environ | {"TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _runs("ingest", tmp_path), 60, "the ingest")
    finally:
        demo.kill()
        demo.wait(5)
    wait_until(lambda: not _runs("", tmp_path), 5, "the end of everything")


def _runs(word: str, folder: Path) -> bool:
    """Whether a process whose command has this word runs in that temporary folder."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("TMPDIR") == str(folder) and word in " ".join(process.cmdline()):
                return True
    return False


@contextmanager
def _on_a_terminal(
    environment: dict[str, str], *arguments: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The command in a terminal of its own, and what its user sees and types."""
    screen, terminal = os.openpty()
    command = [sys.executable, "-c", _WITH_TERMINAL, OMNINODE, *arguments]
    process = subprocess.Popen(
        command,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=os.environ | environment,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        yield process, screen
    finally:
        process.kill()
        process.wait(5)
        os.close(screen)


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
    refused = omninode(
        "demo", "--input", str(tmp_path / "hooks.jsonl"), environment={"TMPDIR": str(tmp_path)}
    )
    assert refused.code != 0
    assert refused.stderr.startswith("omninode: ")
    assert said in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["hooks.jsonl"]


def test_a_report_on_servers_that_are_away_is_a_sentence() -> None:
    away = {"DATABASE_URL": "postgresql://postgres@127.0.0.1:1/postgres"}
    refused = omninode("demo", "--report-only", environment=away, within_seconds=10)
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


def _left_in(folder: Path) -> list[str]:
    """What is there beside the empty folders that multiprocessing leaves where a worker had to be killed."""
    return [
        each.name for each in folder.iterdir() if not each.name.startswith("pymp-") or any(each.iterdir())
    ]
