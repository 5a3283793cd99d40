"""What a stack tells other processes about itself: a file in its folder, true while the folder is locked."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.dev.processes import guard

STATE = "stack.json"
LOCK = "stack.lock"


@dataclass(frozen=True)
class State:
    """A stack: `who` started it, its processes, and its addresses once it is ready.

    `births` says when each process began (`guard.born`), by its number: another may get that number later.
    """

    who: str
    directory: str
    kept: bool
    supervisor_pid: int
    guard_pid: int
    ready: bool = False
    kafka_is_real: bool = False
    addresses: dict[str, str] = field(default_factory=dict)
    flower_url: str = ""
    exporter_url: str = ""
    pids: dict[str, int] = field(default_factory=dict)
    births: dict[str, str] = field(default_factory=dict)

    def with_(self, **changes: Any) -> State:
        """The state after a change."""
        return replace(self, **changes)

    def write(self) -> None:
        """Write the state; a reader sees the old one or the new one."""
        path = Path(self.directory) / STATE
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(path)

    @property
    def supervisor_lives(self) -> bool:
        """Whether the process that leads the stack is there."""
        return self._lives(self.supervisor_pid)

    @property
    def is_orphaned(self) -> bool:
        """Whether both the processes that could end the stack were killed."""
        return not (self.supervisor_lives or self._lives(self.guard_pid))

    def is_strange(self, pid: int) -> bool:
        """Whether that number now belongs to a process that is none of the stack's."""
        return guard.born(pid) not in {"", self.births.get(str(pid))}

    def _lives(self, pid: int) -> bool:
        return guard.runs(pid) and not self.is_strange(pid)


def read(directory: Path) -> State | None:
    """The state of the stack in this folder, or None where there is none (or it cannot be read)."""
    try:
        return State(**json.loads((directory / STATE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def lock(directory: Path) -> int | None:
    """Lock the folder: a descriptor whose last copy holds the lock, or None where another has it."""
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if _try_to_lock(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def is_locked(directory: Path) -> bool:
    """Whether a process of a stack in this folder lives."""
    try:
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    free = _try_to_lock(descriptor)
    os.close(descriptor)
    return not free


def _try_to_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
