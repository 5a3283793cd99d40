"""Processes of the pool are killed and PostgreSQL crashes, again and again, while hooks come in."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import Any, LiteralString

import psutil
import psycopg
import pytest

from orchestrator.settings import Settings
from tests.own_postgres import own_postgres
from tests.pages import ROOT
from tests.processes import Worker, start_worker, wait_until

OMNINODE = str(Path(sys.executable).parent / "omninode")
EXAMPLES = ROOT / "examples" / "github-webhooks.jsonl"
COPIES = 20
KILL_EVERY_SECONDS = 1.0
CRASH_AFTER_KILLS = 8
SEED = 20261123


def _copies(path: Path) -> int:
    """Write the examples many times over, each copy with deliveries and subjects of its own."""
    lines = EXAMPLES.read_text().splitlines()
    with path.open("w") as file:
        for copy in range(COPIES):
            for number, line in enumerate(lines):
                hook = json.loads(line.replace("https://github.com/", f"https://github.com/copy-{copy}-"))
                file.write(json.dumps(hook | {"delivery_id": f"{copy}-{number}"}) + "\n")
    return len(lines) * COPIES


def _kill_one(worker: Worker, choose: random.Random) -> None:
    pool = psutil.Process(worker.process.pid).children()
    if pool:
        os.kill(choose.choice(pool).pid, signal.SIGKILL)


def _ask(url: str, query: LiteralString) -> Any:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()[0][0]


@pytest.mark.timeout(900)
def test_every_hook_is_processed_once_whatever_is_killed(
    environment: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    expected = _copies(tmp_path / "hooks.jsonl")
    choose = random.Random(SEED)
    with own_postgres() as postgres:
        monkeypatch.setenv("DATABASE_URL", postgres.url)
        command = [
            OMNINODE,
            "hooks",
            "ingest",
            str(tmp_path / "hooks.jsonl"),
            "--json",
            "--max-queued",
            "100",
        ]
        with (
            start_worker("--beat", "--schedule", str(tmp_path / "schedule")) as worker,
            subprocess.Popen(command, stdout=subprocess.PIPE) as ingest,
        ):
            kills = 0
            while ingest.poll() is None:
                Event().wait(KILL_EVERY_SECONDS)
                _kill_one(worker, choose)
                kills += 1
                if kills % CRASH_AFTER_KILLS == 0:
                    postgres.crash()
                    Event().wait(KILL_EVERY_SECONDS)
                    postgres.start_again()
            out, _ = ingest.communicate()
            wait_until(
                lambda: _ask(postgres.url, "SELECT count(*) FROM staged_tasks") == 0,
                60,
                "the end of the sweep",
            )
            wait_until(
                lambda: _ask(postgres.url, "SELECT count(*) FROM texts WHERE compared_at IS NULL") == 0,
                60,
                "the comparison of the texts",
            )

        sys.stdout.write(f"{kills} processes killed, {kills // CRASH_AFTER_KILLS} crashes of PostgreSQL\n")
        report = json.loads(out)
        assert (ingest.returncode, report["processed"], report["failed"]) == (0, expected, 0), report
        assert _ask(postgres.url, "SELECT count(*) FROM hook_events") == expected
        assert _ask(postgres.url, "SELECT sum(events) FROM resources") == expected
