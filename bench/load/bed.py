"""A fresh Redis, the processes of one measurement, and their board: whatever ends the benchmark ends them."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from threading import Event
from time import monotonic

from redis import Redis

from bench.load import board, work
from bench.load.board import Board
from orchestrator.dev.folder import Folder
from orchestrator.dev.processes.children import CLIENT, Child, Children
from orchestrator.dev.processes.steps import together
from orchestrator.dev.report import silent
from orchestrator.dev.servers import redis
from orchestrator.dev.servers.serving import Site

ROOT = Path(__file__).parents[2]
_POLL_SECONDS = 0.02
_STALL_SECONDS = 30.0
_START_SECONDS = 90.0
_LAST_LINES = 5
# What a person has set for another purpose is not measured.
_FOREIGN = ("CELERY_", "KAFKA_", "OMNINODE_", "PERF_MONITOR_", "TIMEOUT_")


class Spoilt(Exception):
    """A measurement that shows nothing, because something went wrong in it."""


@dataclass(frozen=True)
class Bed:
    """Where one measurement takes place."""

    children: Children
    folder: Path
    url: str
    client: Redis
    board: Board

    @property
    def environment(self) -> dict[str, str]:
        """What leads a process here."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return kept | {
            "PYTHONPATH": str(ROOT),
            "REDIS_URL": self.url,
            board.PATH: str(self.folder / "board"),
            board.SIZE: str(self.board.size),
            work.READY: str(self.folder / "ready"),
        }

    def start(self, name: str, *arguments: str) -> Child:
        """Start `python -m …`; at the end it and its children are killed at once."""
        command = [sys.executable, "-m", *arguments]
        return self.children.start(name, command, order=CLIENT, ask=SIGKILL, environment=self.environment)

    def run(self, *arguments: str) -> str:
        """Run `python -m …` to its end; returns what it printed."""
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Spoilt((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
        return done.stdout

    def wait_for_workers(self, count: int) -> None:
        """Wait until this many workers have said that they are ready."""
        self.wait(lambda: len(list((self.folder / "ready").iterdir())), count, _START_SECONDS)

    def wait_for_tasks(self, runs: int = 1) -> None:
        """Wait until every task has run this often; none may run more often."""
        self.wait(lambda: self.board.done(runs), self.board.size, _STALL_SECONDS)
        if excess := self.board.excess(runs):
            raise Spoilt(f"{excess} runs too many")

    def wait(self, number: Callable[[], int], wanted: int, patience_seconds: float) -> None:
        """Wait for the number to be reached.

        Raises:
            Spoilt: it has not grown for as long as the patience.
            StackError: a process has ended.
        """
        reached, since = -1, monotonic()
        while (now := number()) < wanted:
            if now > reached:
                reached, since = now, monotonic()
            if monotonic() - since > patience_seconds:
                raise Spoilt(f"only {now} of {wanted}, no more in {patience_seconds:g} s{self._said()}")
            self.children.check()
            pause(_POLL_SECONDS)

    def _said(self) -> str:
        """The last lines of every worker."""
        logs = [each.log for each in self.children.living.values() if each.name != redis.NAME]
        lines = [line for log in logs for line in log.read_text(errors="replace").splitlines()[-_LAST_LINES:]]
        return "".join(f"\n  {line}" for line in lines)


def pause(seconds: float) -> None:
    """Let the others work."""
    Event().wait(seconds)


@contextmanager
def made(size: int) -> Iterator[Bed]:
    """A bed for `size` tasks, with a Redis of its own (append-only file, `everysec`)."""
    children = Children()
    try:
        folder = Path(tempfile.mkdtemp(prefix="omninode-bench-"))
        children.guard.tell(remove=str(folder))
        children.logs = folder / "logs"
        for each in ("logs", "ready"):
            (folder / each).mkdir()
        site = Site(children, Folder(folder, kept=False), silent)
        url = together({"redis": redis.start(site)}, lambda _name, _url: None)["redis"]
        with Redis.from_url(url, single_connection_client=True) as client:
            yield Bed(children, folder, url, client, Board(folder / "board", size))
    finally:
        children.end()
