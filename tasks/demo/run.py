"""Sends the demo's input to a running fleet, as a user would, and waits until all of it is worked off."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from orchestrator import postgres
from orchestrator.errors import OmniNodeError

# So many deliveries are sent a second time, as webhook senders do that got no answer.
REPEATED = 5
_PATIENCE_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 0.1
_WORK_LEFT = """
    SELECT (SELECT count(*) FROM staged_tasks) + (SELECT count(*) FROM texts WHERE compared_at IS NULL)"""


@dataclass(frozen=True)
class Servers:
    """The environment that leads commands to the servers."""

    environment: Mapping[str, str]

    def ingest(self, lines: Path) -> None:
        """Run `omninode hooks ingest` on the file, then on its first lines once more."""
        with lines.open("rb") as head:
            first = b"".join(islice(head, REPEATED))
        self._hooks("ingest", str(lines), "--json")
        self._hooks("ingest", "-", "--json", stdin=first)

    def _hooks(self, *arguments: str, stdin: bytes = b"") -> None:
        # Its standard error is ours: that is where it shows its progress.
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator.cli", "hooks", *arguments],
            input=stdin,
            stdout=subprocess.DEVNULL,
            env=dict(self.environment),
            check=False,
        )
        # 1 says that a hook was refused or failed: the report will name it.
        if done.returncode not in {0, 1}:
            raise OmniNodeError(f"`omninode hooks {' '.join(arguments)}` exited with {done.returncode}")


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
