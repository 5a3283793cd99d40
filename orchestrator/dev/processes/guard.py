"""Ends what a stack has started once its supervisor is gone, however it went: a script of its own.

It reads lines of JSON from a socket whose other ends are held by the supervisor and, for a moment, by every
process that it starts (`launch.py`). The end of that stream is the order to stop. The standard library is all
it needs, so that it is there at once and stays small.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# For how long a process may go on after it was urged, and after it was killed.
_URGED_SECONDS = 0.3
_KILLED_SECONDS = 0.3
_POLL_SECONDS = 0.01
# Linux has it, a Mac has not.
_PROC = Path("/proc")


def runs(pid: int) -> bool:
    """Whether there is such a process and it has not ended.

    An orphan that has ended stays on the system's table until process 1 looks: in many containers for ever.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _PROC.exists() or _running_group(_PROC / str(pid)) > 0


def born(pid: int) -> str:
    """When the process began, as its system counts; empty where that is not known, or there is no process."""
    return (_stat(_PROC / str(pid)) or [""] * 20)[19]


def _running_groups() -> set[int]:
    return {_running_group(process) for process in _PROC.glob("[0-9]*")}


def _running_group(process: Path) -> int:
    """The group that the process belongs to, or 0 when it has ended."""
    fields = _stat(process)
    if not fields:
        return 0
    # See proc(5): state, group, and the number of threads, of which the first may end before the others.
    has_ended = fields[0] in "ZX" and int(fields[17]) <= 1
    return 0 if has_ended else int(fields[2])


def _stat(process: Path) -> list[str]:
    """What proc(5) tells of the process, from the third field on; nothing if it is gone."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@dataclass(frozen=True)
class Ward:
    """A process to end, the leader of its own process group; those of the lowest `order` are ended first.

    It gets the signal `ask`, `patience_seconds` later the signal `urge`, and is then killed.
    """

    pid: int
    order: int
    ask: int
    urge: int = 0
    patience_seconds: float = 1.0

    def lives(self) -> bool:
        """Whether anything of the process's group still runs."""
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return runs(self.pid) or not _PROC.exists() or self.pid in _running_groups()

    def signal(self, number: int) -> None:
        """Send the signal: to the leader alone, which stops its own; SIGKILL to the whole group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if number == signal.SIGKILL:
                os.killpg(self.pid, number)
            elif number:
                os.kill(self.pid, number)


@dataclass
class Estate:
    """What is to be ended and removed, as far as the guard was told."""

    wards: dict[int, Ward] = field(default_factory=dict)
    paths: list[Path] = field(default_factory=list)
    locks: list[int] = field(default_factory=list)

    def take(self, line: str) -> None:
        """Note one line of the supervisor's."""
        message = json.loads(line)
        if "ward" in message:
            ward = Ward(**message["ward"])
            self.wards[ward.pid] = ward
        elif "gone" in message:
            self.wards.pop(message["gone"], None)
        elif "remove" in message:
            self.paths.append(Path(message["remove"]))

    def remove(self) -> None:
        """Remove the files and folders that are not to stay."""
        for path in self.paths:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def end(wards: list[Ward], hurried: Callable[[], bool]) -> None:
    """End the processes, group after group; `hurried` turns true when they are to be killed at once."""
    for order in sorted({ward.order for ward in wards}):
        _end_together([ward for ward in wards if ward.order == order], hurried)


def _end_together(wards: list[Ward], hurried: Callable[[], bool]) -> None:
    patience_seconds = max(ward.patience_seconds for ward in wards)
    left = _signal(wards, lambda ward: ward.ask, patience_seconds, hurried)
    left = _signal(
        left, lambda ward: ward.urge, _URGED_SECONDS if any(w.urge for w in left) else 0.0, hurried
    )
    _signal(left, lambda _ward: signal.SIGKILL, _KILLED_SECONDS, lambda: False)


def _signal(
    wards: list[Ward], number: Callable[[Ward], int], seconds: float, hurried: Callable[[], bool]
) -> list[Ward]:
    for ward in wards:
        ward.signal(number(ward))
    limit = time.monotonic() + seconds
    while (left := [ward for ward in wards if ward.lives()]) and time.monotonic() < limit and not hurried():
        time.sleep(_POLL_SECONDS)
    return left


def _listen(link: socket.socket, estate: Estate) -> None:
    text = b""
    while True:
        data, descriptors, _, _ = socket.recv_fds(link, 65536, 4)
        estate.locks += descriptors
        if not data:
            return
        *lines, text = (text + data).split(b"\n")
        for line in lines:
            estate.take(line.decode())


def _main() -> None:
    # Whoever ends everything that is called omninode asks politely first; the guard is the last to go.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(ignored, signal.SIG_IGN)
    hurries: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _frame: hurries.append(number))
    estate = Estate()
    _listen(socket.socket(fileno=int(sys.argv[1])), estate)
    end(list(estate.wards.values()), lambda: bool(hurries))
    estate.remove()


if __name__ == "__main__":
    _main()
