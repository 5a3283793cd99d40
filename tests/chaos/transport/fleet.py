"""The run's processes: workers and producers, started again whenever they end, and ended by their id."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.chaos.transport.conditions import STACKS_SIGNAL
from tests.forked import Forked
from tests.processes import start_module

# A warm shutdown has to wait for the longest task.
SHUTDOWN_SECONDS = 20.0
WORKERS = {
    "prefork": ("-Q", "a,b", "--pool", "prefork", "--concurrency", "2"),
    "threads": ("-Q", "b,c", "--pool", "threads", "--concurrency", "4"),
    "recycled": ("-Q", "c,a", "--pool", "prefork", "--autoscale", "3,1", "--max-tasks-per-child", "7"),
}
# How many tasks run at once at most, in one of them and in all.
MOST_IN_ONE, MOST_IN_ALL = 4, 9


@dataclass
class Member:
    """One place in the fleet, and the process that fills it now."""

    name: str
    command: list[str]
    log: Path
    environment: Mapping[str, str]
    process: subprocess.Popen[bytes] | Forked
    hit_by: str = ""
    ready_from: int = 0
    must_end_by: float | None = None

    def is_ready(self) -> bool:
        """Whether this process, not one before it, has said that it takes messages."""
        with self.log.open("rb") as log:
            log.seek(self.ready_from)
            return b" ready" in log.read()

    def signal(self, number: signal.Signals, *, group: bool) -> None:
        """Send the signal to its main process, or to the whole process group."""
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.process.pid, number)

    def children(self) -> list[int]:
        """The processes of its pool."""
        with suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(self.process.pid).children()]
        return []


@dataclass
class Fleet:
    """Every member is alive again soon after its death, unless it has done its work."""

    folder: Path
    # Stock Celery has nothing of ours imported.
    is_stock: bool = False
    members: dict[str, Member] = field(default_factory=dict)
    restarts: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)

    def start(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        """Start a member under this name: a module and its arguments."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            ready_from = output.tell()
            process = start_module(*command, environment=environment, log=output, fresh=self.is_stock)
        self.members[name] = Member(name, command, log, environment, process, ready_from=ready_from)

    def start_worker(self, name: str, environment: Mapping[str, str]) -> None:
        """Start the worker of this name."""
        app = ["-A", "tests.chaos.transport.tasks", "worker", "--hostname", f"{name}@chaos"]
        options = [*WORKERS[name], "--loglevel", "info", "--without-gossip", "--without-mingle"]
        self.start(name, ["celery", *app, *options], environment)

    def workers(self) -> list[Member]:
        """Those that run tasks."""
        return [member for name, member in self.members.items() if name in WORKERS]

    def look_after(self) -> None:
        """Start again who has ended, and end who was told to and does not."""
        for member in list(self.members.values()):
            code = member.process.poll()
            if code is not None:
                self._replace(member, code)
            elif member.must_end_by and time.monotonic() > member.must_end_by:
                self.surprises.append(
                    f"{member.name} did not end within {SHUTDOWN_SECONDS} s of {member.hit_by}"
                )
                member.must_end_by = None
                member.signal(signal.SIGKILL, group=True)

    def _replace(self, member: Member, code: int) -> None:
        del self.members[member.name]
        # A pool outlives a main process only by mistake.
        member.signal(signal.SIGKILL, group=True)
        if member.name not in WORKERS and code == 0:
            return
        if not member.hit_by and not (code == -signal.SIGKILL and member.name in WORKERS):
            self.surprises.append(f"{member.name} ended by itself with code {code}: {_last_words(member)}")
        self.restarts[member.name] += 1
        self.start(member.name, member.command, member.environment)

    def tell_stacks(self) -> None:
        """Have every process of every worker write into its log where it is."""
        for pid in [pid for member in self.workers() for pid in (member.process.pid, *member.children())]:
            with suppress(ProcessLookupError):
                os.kill(pid, STACKS_SIGNAL)

    def close(self) -> list[str]:
        """Shut all workers down warmly; returns those that had to be killed."""
        for member in self.members.values():
            member.hit_by = "the end"
            member.signal(signal.SIGTERM, group=False)
        slow = []
        for member in self.members.values():
            try:
                member.process.wait(SHUTDOWN_SECONDS)
            except subprocess.TimeoutExpired:
                slow.append(member.name)
        self.kill()
        return slow

    def kill(self) -> None:
        """End everything at once."""
        for member in self.members.values():
            member.signal(signal.SIGKILL, group=True)
            member.process.wait(SHUTDOWN_SECONDS)
        self.members.clear()


def _last_words(member: Member) -> str:
    with member.log.open("rb") as log:
        log.seek(member.ready_from)
        lines = log.read().decode(errors="replace").strip().splitlines()
    return " | ".join(lines[-3:])[-500:]
