"""Runs one file of Celery's integration tests on one side, with a Redis of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from orchestrator.dev.following import Follower
from orchestrator.dev.processes.children import CLIENT, Child
from orchestrator.dev.processes.interrupts import Interrupts
from orchestrator.dev.report import silent
from orchestrator.dev.servers import redis
from orchestrator.dev.supervisor import supervising
from orchestrator.settings import Settings
from tests.compat.places import ROOT

FILES = ("test_inspect.py", "test_worker.py", "test_tasks.py", "test_canvas.py")
STOCK, OMNINODE = "stock", "omninode"
_LIMIT_SECONDS = 3600.0
_REPORTING_SECONDS = 60.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Run:
    """What is run where: `expression` is pytest's `-k`, `programs` the folder of Python and Celery."""

    side: str
    file: str
    expression: str
    source: Path
    programs: Path
    results: Path

    @property
    def report(self) -> Path:
        """What pytest says of it, as JUnit's XML."""
        return self.results / f"{self.side}-{self.file.removesuffix('.py')}.xml"

    @property
    def log(self) -> Path:
        """What pytest prints."""
        return self.report.with_suffix(".log")


def execute(run: Run, tell: Callable[[str], None]) -> None:
    """Run it, and leave its report and its log; there is no report when pytest itself has failed.

    A run that takes longer than an hour is interrupted, and its report has the tests up to there.

    Raises:
        StackError: the Redis did not start.
    """
    run.results.mkdir(parents=True, exist_ok=True)
    run.report.unlink(missing_ok=True)
    with Interrupts() as interrupts, supervising(None, silent, "make compat", interrupts) as supervisor:
        url = supervisor.start({redis.NAME: redis.start(supervisor.site)})[redis.NAME]
        child = supervisor.site.children.start(
            "pytest", _command(run), order=CLIENT, environment=_environment(run, url)
        )
        try:
            _follow(child, tell)
        finally:
            run.log.write_bytes(child.log.read_bytes())


def _follow(child: Child, tell: Callable[[str], None]) -> None:
    began = time.monotonic()
    limit = began + _LIMIT_SECONDS
    follower = Follower(child.name, child.log)
    while not child.has_ended():
        if time.monotonic() > limit:
            tell(f"interrupted after {time.monotonic() - began:.0f} seconds")
            os.kill(child.pid, signal.SIGINT)
            limit = time.monotonic() + _REPORTING_SECONDS
        for line in follower.lines():
            tell(line)
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(_POLL_SECONDS)
    follower.close()


def _command(run: Run) -> list[str]:
    plugin = ["-p", "tests.compat.plugin"] if run.side == OMNINODE else []
    place = ["-c", str(run.source / "pyproject.toml"), "--rootdir", str(run.source)]
    chosen = ["-k", run.expression] if run.expression else []
    return [
        *(str(run.programs / "python"), "-m", "pytest", "-p", "no:cacheprovider", *plugin, *place),
        *("-v", "-rR", "--tb=short", f"--junitxml={run.report}", *chosen),
        str(run.source / "t" / "integration" / run.file),
    ]


def _environment(run: Run, url: str) -> dict[str, str]:
    settings = {field.alias for field in Settings.model_fields.values()}
    inherited = {name: value for name, value in os.environ.items() if name not in settings}
    server = urlsplit(url)
    return inherited | {
        "PATH": f"{run.programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": f"{run.source}{os.pathsep}{ROOT}",
        "PYTEST_ADDOPTS": "",
        "TEST_BROKER": url,
        "TEST_BACKEND": url,
        "REDIS_HOST": str(server.hostname),
        "REDIS_PORT": str(server.port),
        # The app of a `celery worker` that names none.
        **({"APP": "tests.compat.program"} if run.side == OMNINODE else {}),
    }
