"""Sends the demo's input to a running fleet, as a user would, and waits until all of it is worked off."""

import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import postgres
from orchestrator.errors import StackError

if TYPE_CHECKING:
    from orchestrator.dev.fleet import Fleet

# So many deliveries are sent a second time, as webhook senders do that got no answer.
REPEATED = 5
_PATIENCE_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 0.1
_WORK_LEFT = """
    SELECT (SELECT count(*) FROM staged_tasks) + (SELECT count(*) FROM texts WHERE compared_at IS NULL)"""


def send(fleet: "Fleet", lines: Path) -> None:
    """Run `omninode hooks ingest` on the file, then on its first hooks once more.

    Raises:
        StackError: a process of the fleet has ended, or the ingest did not work at all.
    """
    repeated = fleet.stack.directory / "repeated.jsonl"
    with lines.open("rb") as hooks:
        repeated.write_bytes(b"".join(islice((line for line in hooks if line.strip()), REPEATED)))
    for file in (lines, repeated):
        # Its standard error is ours: that is where it shows its progress.
        code = fleet.run(
            "ingest", [sys.executable, "-m", "orchestrator.cli", "hooks", "ingest", str(file), "--json"]
        )
        # 1 says that a hook was refused or failed: the report will name it.
        if code not in {0, 1}:
            raise StackError(f"`omninode hooks ingest {file}` ended with exit code {code}")


def wait_for_the_texts(check: Callable[[], None], patience_seconds: float = _PATIENCE_SECONDS) -> None:
    """Wait until the handlers' tasks are done, or nothing has moved for a minute: the report tells which.

    `check` is called all the while, and may raise.
    """
    left, moved_at = -1, time.monotonic()
    while (now_left := _work_left()) and time.monotonic() - moved_at < patience_seconds:
        if now_left != left:
            left, moved_at = now_left, time.monotonic()
        check()
        time.sleep(_LOOK_EVERY_SECONDS)


def _work_left() -> int:
    with postgres.transaction() as database:
        row = database.execute(_WORK_LEFT).fetchone()
    return int(row[0]) if row else 0
