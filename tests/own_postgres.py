"""A PostgreSQL of one test's own, which may crash."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from orchestrator.dev.processes.interrupts import Interrupts
from orchestrator.dev.report import silent
from orchestrator.dev.servers import postgres
from orchestrator.dev.supervisor import Supervisor, supervising
from tests.processes import wait_until


@dataclass(frozen=True)
class OwnPostgres:
    """A running server with the schema in it."""

    supervisor: Supervisor
    url: str

    def crash(self) -> None:
        """End it at once, as a crash does: it has to recover at its next start."""
        child = self.supervisor.site.children.living[postgres.NAME]
        os.kill(child.pid, signal.SIGQUIT)
        wait_until(child.has_ended, what="PostgreSQL's end")
        self.supervisor.site.children.forget(child)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all of its processes, without ending them, for the time of the block."""
        server = psutil.Process(self.supervisor.site.children.living[postgres.NAME].pid)
        # First the one that would start others.
        stopped = [server]
        server.suspend()
        stopped += server.children(recursive=True)
        for process in stopped:
            process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                process.resume()

    def start_again(self) -> None:
        """Start it on the same data and the same port."""
        site = self.supervisor.site
        assert self.supervisor.start({postgres.NAME: postgres.start(site)}) == {postgres.NAME: self.url}


@contextmanager
def own_postgres() -> Iterator[OwnPostgres]:
    """Start one, and remove it with its data at the end."""
    with supervising(None, silent, "a test", Interrupts()) as supervisor:
        started = supervisor.start({postgres.NAME: postgres.start(supervisor.site)})
        yield OwnPostgres(supervisor, started[postgres.NAME])
