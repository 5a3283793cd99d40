"""The processes of one stack: started with the guard's knowledge, watched, and ended by the guard."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.dev.processes import guard
from orchestrator.dev.processes.guarding import HERE, PYTHON, Guard
from orchestrator.dev.processes.steps import Steps, until
from orchestrator.errors import StackError

# In this order they are ended: who works for a person first, then the servers that they need for it.
CLIENT, SERVER = 0, 1
_LAST_LINES = 15
_REAP_SECONDS = 1.0


@dataclass(frozen=True)
class Child:
    """A process of the stack, the leader of its own process group; what it writes goes to `log`."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Its number."""
        return self.process.pid

    def has_ended(self) -> bool:
        """Whether the process is gone (and reaped)."""
        return self.process.poll() is not None

    def ending(self) -> str:
        """How it ended, and its last lines."""
        code = self.process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        lines = self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        said = "".join(f"\n  {line}" for line in lines) or " nothing"
        return f"{self.name} {how}; the last it said:{said}"


class Children:
    """Starts processes and ends them; whatever ends this process, the guard ends them all.

    `logs` is the folder of their logs; `changed` is called when one was started or has ended as it should.
    """

    def __init__(self) -> None:
        self.guard = Guard()
        self.logs = Path()
        self.living: dict[str, Child] = {}
        self.changed: Callable[[], None] = lambda: None
        self._lock: int | None = None

    def share_lock(self, descriptor: int) -> None:
        """Have the guard and every process hold this file, so that it is locked until all are gone."""
        self._lock = descriptor
        self.guard.hold(descriptor)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        order: int = SERVER,
        ask: signal.Signals = signal.SIGTERM,
        urge: signal.Signals | None = None,
        patience_seconds: float = 1.0,
        environment: Mapping[str, str] | None = None,
        shows_errors: bool = False,
    ) -> Child:
        """Start a process. At the end it gets `ask`, `patience_seconds` later `urge`, and is then killed.

        `environment` is what it gets instead of this process's own; with `shows_errors` it writes to this
        process's standard error rather than to its log.
        """
        log = self.logs / f"{name}.log"
        ward = {"order": order, "ask": ask, "urge": urge or 0, "patience_seconds": patience_seconds}
        link = self.guard.link
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*PYTHON, str(HERE / "launch.py"), str(link), json.dumps(ward), *command],
                pass_fds=[link] if self._lock is None else [link, self._lock],
                start_new_session=True,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if shows_errors else subprocess.STDOUT,
            )
        self.guard.estate.wards[process.pid] = guard.Ward(
            process.pid, order, ask, urge or 0, patience_seconds
        )
        child = self.living[name] = Child(name, process, log)
        self.changed()
        return child

    def run(self, name: str, command: Sequence[str], limit_seconds: float) -> Steps[None]:
        """Run a command to its end.

        Raises:
            StackError: it failed, or took too long.
        """
        child = self.start(name, command)
        yield from until(child.has_ended, limit_seconds, f"{name} did not end (its log: {child.log})")
        self.forget(child)
        if child.process.returncode != 0:
            raise StackError(child.ending())

    def forget(self, child: Child) -> None:
        """A process has ended as it should: its number may soon be another's, and is the guard's no more."""
        self.living.pop(child.name, None)
        self.guard.tell(gone=child.pid)
        self.changed()

    def check(self, watched: Iterable[Child] | None = None) -> None:
        """Raise StackError when one of the watched (all unless given), or the guard, has ended."""
        self.guard.check()
        for child in self.living.values() if watched is None else watched:
            if child.has_ended():
                raise StackError(child.ending())

    def end(self, hurried: Callable[[], bool] = lambda: False) -> None:
        """End every process and remove what is not to stay; at once when `hurried` returns true meanwhile."""
        self.guard.end(self._reap, hurried)
        for child in self.living.values():
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(_REAP_SECONDS)
        if self._lock is not None:
            os.close(self._lock)

    def _reap(self) -> None:
        for child in self.living.values():
            child.process.poll()
