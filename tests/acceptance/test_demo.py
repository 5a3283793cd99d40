"""The demo runs by itself, on servers of its own, and leaves nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from orchestrator.dev.environment import FOREIGN
from tests.commands import Done, omninode
from tests.pages import ROOT
from tests.processes import wait_until

OMNINODE = str(Path(sys.executable).parent / "omninode")
_WITH_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY)
os.execv(sys.argv[1], sys.argv[1:])
"""
INPUT = ROOT / "examples" / "github-webhooks.jsonl"


@pytest.fixture
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Input that is worked off soon."""
    lines = tmp_path_factory.mktemp("input") / "few.jsonl"
    lines.write_text("".join(INPUT.read_text().splitlines(keepends=True)[:9]))
    return lines


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


def _left_in(folder: Path) -> list[str]:
    """What is there beside the empty folders that multiprocessing leaves where a worker had to be killed."""
    return [
        each.name for each in folder.iterdir() if not each.name.startswith("pymp-") or any(each.iterdir())
    ]
