"""A whole small OmniNode for the time of a `with` block: the servers, and each of our processes once."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from orchestrator import settings
from orchestrator.dev import environment, roles
from orchestrator.dev.following import Follower
from orchestrator.dev.processes.children import CLIENT
from orchestrator.dev.processes.interrupts import Interrupted, Interrupts
from orchestrator.dev.report import Report, Step, silent
from orchestrator.dev.stack import Stack, start
from orchestrator.dev.supervisor import Supervisor, supervising
from orchestrator.modules import find_modules

NAMES = (roles.WORKER, roles.BEAT, roles.RELAY, roles.FLOWER, roles.EXPORTER)
_POLL_SECONDS = 0.05


def _show_nothing(_name: str, _line: str) -> None:
    pass


class Fleet:
    """What runs: `stack` has the servers' addresses, `pids` every process by name."""

    def __init__(self, supervisor: Supervisor, stack: Stack, concurrency: int) -> None:
        self._supervisor = supervisor
        self.stack = stack
        site = supervisor.site
        started = supervisor.start(
            {
                roles.WORKER: roles.start_worker(site, concurrency),
                roles.BEAT: roles.start_beat(site),
                roles.RELAY: roles.start_relay(site),
                roles.FLOWER: roles.start_flower(site),
                roles.EXPORTER: roles.start_exporter(site),
            },
        )
        self.flower_url = started[roles.FLOWER]
        self.exporter_url = started[roles.EXPORTER]
        supervisor.note(flower_url=self.flower_url, exporter_url=self.exporter_url, ready=True)
        self.pids = supervisor.state.pids
        self._followers = [Follower(name, site.children.living[name].log) for name in NAMES]

    def wait(self, show: Callable[[str, str], None] = _show_nothing) -> None:
        """Wait for Ctrl-C or SIGTERM; meanwhile `show` gets name and line of each of `NAMES`.

        Raises:
            StackError: a process has ended, with its name and its last lines.
        """
        try:
            while True:
                self.check()
                self._show(show)
                time.sleep(_POLL_SECONDS)
        except Interrupted:
            return

    def run(self, name: str, command: Sequence[str]) -> int:
        """Run a command to its end, and return its exit code; its standard error is this process's own.

        Raises:
            StackError: a process of the fleet has ended.
        """
        children = self._supervisor.site.children
        watched = tuple(children.living.values())
        child = children.start(name, command, order=CLIENT, ask=signal.SIGINT, shows_errors=True)
        while not child.has_ended():
            children.check(watched)
            time.sleep(_POLL_SECONDS)
        children.forget(child)
        return int(child.process.returncode)

    def check(self) -> None:
        """Raise StackError, with the name and the last lines, when a process has ended."""
        self._supervisor.site.children.check()

    def _show(self, show: Callable[[str, str], None]) -> None:
        for follower in self._followers:
            for line in follower.lines():
                show(follower.name, line)

    def close(self) -> None:
        """Follow the logs no longer."""
        for follower in self._followers:
            follower.close()


@contextmanager
def running_fleet(
    directory: Path | None = None, concurrency: int = 2, report: Report = silent, who: str = "a program"
) -> Iterator[Fleet]:
    """Start everything; at the end of the block, or of this process however it ends, everything is stopped.

    Within the block this process's own environment and settings lead to the stack; Ctrl-C, SIGTERM and SIGHUP
    raise `Interrupted`, a KeyboardInterrupt; a second one, while everything is being stopped, kills it at
    once. `directory` and `who` are those of `stack.running`.

    Raises:
        SettingsError: the environment holds values that are not allowed, or names a module that is not here;
            nothing was started.
        StackError: something did not start, with its last lines.
    """
    for name in environment.foreign_names():
        report(Step("settings", f"{name} is not passed on: the stack has a broker of its own", remark=True))
    with environment.entered({}):
        # Before anything is started: without them there would be no worker.
        find_modules(settings.load().imports)
        with Interrupts() as interrupts, supervising(directory, report, who, interrupts) as supervisor:
            stack = start(supervisor)
            with (
                environment.entered(stack.environment()),
                closing(Fleet(supervisor, stack, concurrency)) as fleet,
            ):
                yield fleet
