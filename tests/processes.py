"""Real processes for tests: started, waited for, and stopped by their id."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import IO
from uuid import uuid4

from tests import forked
from tests.forked import Forked


@dataclass(frozen=True)
class Worker:
    """A running `celery worker`: its process, its node name and what it has logged."""

    process: subprocess.Popen[bytes] | Forked
    node: str
    log_file: Path

    def log(self) -> str:
        """Everything it has written so far."""
        return self.log_file.read_text(errors="replace")


def wait_until(condition: Callable[[], object], within_seconds: float = 20.0, what: str = "it") -> None:
    """Wait for the condition to be true, and fail the test when it is not in time."""
    give_up_at = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < give_up_at, f"{what} did not happen within {within_seconds} s"
        Event().wait(0.02)


def let_pass(seconds: float) -> None:
    """Wait for as long as something has to be away."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > until, seconds + 20)


def start_module(
    module: str,
    *arguments: str,
    environment: Mapping[str, str],
    log: IO[bytes],
    fresh: bool = False,
) -> subprocess.Popen[bytes] | Forked:
    """Start `python -m module` in a session of its own; the environment is beside this process's.

    One that is `fresh` does all of its imports itself; the others are forks of a process that has done most.
    """
    command = ["-m", module, *arguments]
    variables = os.environ | environment
    if fresh or not forked.is_possible(variables):
        return subprocess.Popen(
            [sys.executable, *command], stdout=log, stderr=log, env=variables, start_new_session=True
        )
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 (no file, but its name)
        return forked.start(command, variables, (nothing.fileno(), log.fileno(), log.fileno()), alone=True)


@contextmanager
def start_worker(
    *options: str,
    app: str = "orchestrator",
    environment: Mapping[str, str] | None = None,
    concurrency: int = 2,
    mingles: bool = False,
    fresh: bool = False,
) -> Iterator[Worker]:
    """Start a worker, wait until it says that it is ready, and kill it with its children afterwards.

    A test of how workers stop stops it itself: to wait for that everywhere takes two seconds a worker.
    One that `mingles` waits a second for other workers' answers first, as it does by default.
    One that is `fresh` does all of its imports itself.
    """
    node = f"test-{uuid4().hex[:8]}@localhost"
    with TemporaryDirectory(prefix="omninode-test-") as folder:
        log_file = Path(folder) / "worker.log"
        with log_file.open("wb") as log:
            process = start_module(
                "celery",
                *("-A", app, "worker", "--concurrency", str(concurrency), "--loglevel", "info"),
                *("--hostname", node, *([] if mingles else ["--without-mingle"]), *options),
                environment={"OMNINODE_LOG_FORMAT": "json"} | dict(environment or {}),
                log=log,
                fresh=fresh,
            )
        started = Worker(process, node, log_file)
        try:
            wait_until(lambda: _is_ready(started), 30.0, f"the worker's start\n{started.log()}")
            yield started
        finally:
            _kill(process)


def _is_ready(worker: Worker) -> bool:
    assert worker.process.poll() is None, worker.log()
    return f"{worker.node} ready" in worker.log()


def _kill(process: subprocess.Popen[bytes] | Forked) -> None:
    # Its children too, which outlive one that a test has killed alone.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(5)
