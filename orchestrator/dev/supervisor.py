"""Starts the servers of one stack at the same time, and keeps what other processes read up to date."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from orchestrator.dev import folder as folders
from orchestrator.dev.processes import guard
from orchestrator.dev.processes.children import Children
from orchestrator.dev.processes.interrupts import Interrupts
from orchestrator.dev.processes.steps import Steps, together
from orchestrator.dev.report import Report, Step
from orchestrator.dev.servers import java, kafka, postgres, redis
from orchestrator.dev.servers.serving import Site
from orchestrator.dev.state import State


class Supervisor:
    """One stack: its folder, its processes, and what is said of it."""

    def __init__(self, site: Site, who: str) -> None:
        self.site = site
        self.state = State(
            who=who,
            directory=str(site.folder.path),
            kept=site.folder.kept,
            supervisor_pid=os.getpid(),
            guard_pid=site.children.guard.pid,
        )
        self.note()
        site.children.changed = self.note

    def start_servers(self) -> dict[str, str]:
        """Start Redis, PostgreSQL and Kafka; returns their addresses by the names of our settings."""
        tools = java.find_tools()
        works = {
            kafka.NAME: kafka.start(self.site, tools),
            postgres.NAME: postgres.start(self.site),
            redis.NAME: redis.start(self.site),
        }
        started = self.start(works)
        if tools.missing:
            self.site.report(Step(kafka.NAME, kafka.about_the_mock(tools.missing), remark=True))
        addresses = {
            "redis_url": started[redis.NAME],
            "kafka_bootstrap_servers": started[kafka.NAME],
            "database_url": started[postgres.NAME],
        }
        self.note(kafka_is_real=not tools.missing, addresses=addresses)
        return addresses

    def start(self, works: Mapping[str, Steps[str]]) -> dict[str, str]:
        """Start these at the same time, and report on each; returns what each says of where it is."""
        began = time.monotonic()
        for name in works:
            self.site.report(Step(name, "is being started"))
        running = tuple(self.site.children.living.values())
        return together(
            works,
            done=lambda name, place: self.site.report(
                Step(name, f"ready at {place}", time.monotonic() - began)
            ),
            check=lambda: self.site.children.check(running),
        )

    def note(self, **changes: object) -> None:
        """Let other processes know."""
        pids = {name: child.pid for name, child in self.site.children.living.items()}
        known = (self.state.supervisor_pid, self.state.guard_pid, *pids.values())
        births = {str(pid): guard.born(pid) for pid in known}
        self.state = self.state.with_(pids=pids, births=births, **changes)
        self.state.write()


@contextmanager
def supervising(
    directory: Path | None, report: Report, who: str, interrupts: Interrupts
) -> Iterator[Supervisor]:
    """A supervisor with a folder and no processes yet; at the end of the block nothing of the stack is left.

    A signal that `interrupts` takes during that end has everything killed at once.

    Raises:
        StackError: another stack has the folder.
    """
    children = Children()
    try:
        folders.find()
        yield Supervisor(Site(children, folders.take(children, directory), report), who)
    finally:
        interrupts.begin_end()
        children.end(lambda: interrupts.insisted)
