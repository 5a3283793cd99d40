"""The servers of the embedded stack, for the time of a `with` block: Redis, PostgreSQL and Kafka."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.dev.processes.interrupts import Interrupts
from orchestrator.dev.report import Report, silent
from orchestrator.dev.supervisor import Supervisor, supervising


@dataclass(frozen=True)
class Addresses:
    """Where the servers of a stack are."""

    redis_url: str
    kafka_bootstrap_servers: str
    database_url: str

    def environment(self) -> dict[str, str]:
        """The variables that lead other processes there."""
        return {
            "REDIS_URL": self.redis_url,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap_servers,
            "DATABASE_URL": self.database_url,
        }


@dataclass(frozen=True)
class Stack(Addresses):
    """A running stack: `directory` holds its data and its logs, `pids` has its processes by name."""

    directory: Path
    kept: bool
    kafka_is_real: bool
    pids: Mapping[str, int]


@contextmanager
def running(
    directory: Path | None = None, report: Report = silent, who: str = "a program"
) -> Iterator[Stack]:
    """Start the servers; at the end of the block, or of this process however it ends, they are stopped.

    Without a `directory` the data lie in a temporary folder, which is removed. `who` names the starter to
    others.

    Raises:
        StackError: a server did not start, with its last lines; or another stack has the folder.
    """
    with supervising(directory, report, who, Interrupts()) as supervisor:
        stack = start(supervisor)
        supervisor.note(ready=True)
        yield stack


def start(supervisor: Supervisor) -> Stack:
    """Start the servers of this supervisor's stack."""
    addresses = supervisor.start_servers()
    state = supervisor.state
    return Stack(
        **addresses,
        directory=Path(state.directory),
        kept=state.kept,
        kafka_is_real=state.kafka_is_real,
        pids=state.pids,
    )
