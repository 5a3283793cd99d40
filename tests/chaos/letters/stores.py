"""Kafka and PostgreSQL (and a Redis) of a run's own, which are killed and started again on the same data."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from orchestrator.dev.processes.interrupts import Interrupts
from orchestrator.dev.report import silent
from orchestrator.dev.servers import java, kafka, postgres
from orchestrator.dev.supervisor import Supervisor, supervising
from tests.processes import wait_until

KAFKA, POSTGRES = kafka.NAME, postgres.NAME


class Stores:
    """They run; `environment` leads there."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._addresses = supervisor.start_servers()
        assert supervisor.state.kafka_is_real, "the mock keeps nothing: Java and Maven have to be there"

    def environment(self) -> dict[str, str]:
        """The variables that lead other processes there."""
        return {name.upper(): address for name, address in self._addresses.items()}

    @property
    def database_url(self) -> str:
        """Where PostgreSQL is."""
        return self._addresses["database_url"]

    @property
    def bootstrap_servers(self) -> str:
        """Where Kafka is."""
        return self._addresses["kafka_bootstrap_servers"]

    def kill(self, name: str) -> None:
        """SIGKILL the server with all its processes."""
        child = self._supervisor.site.children.living[name]
        processes = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
        for process in processes:
            with_its_id(process.pid)
        wait_until(child.has_ended, what=f"the end of {name}")
        psutil.wait_procs(processes, timeout=10)
        self._supervisor.site.children.forget(child)

    def start_again(self, name: str) -> None:
        """Start it on the same data and the same port."""
        site = self._supervisor.site
        works = {
            KAFKA: lambda: kafka.start(site, java.find_tools()),
            POSTGRES: lambda: postgres.start(site),
        }
        (place,) = self._supervisor.start({name: works[name]()}).values()
        assert place in self._addresses.values(), f"{name} is at {place} now"


def with_its_id(pid: int) -> None:
    """SIGKILL one process, which may have ended meanwhile."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def running_stores() -> Iterator[Stores]:
    """Start them, and remove them with their data at the end."""
    with supervising(None, silent, "a test", Interrupts()) as supervisor:
        yield Stores(supervisor)
