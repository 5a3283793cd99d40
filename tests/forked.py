"""Starts processes as forks of one that has done the imports, and follows them as those of `subprocess`."""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

_PREPARED = Path(__file__).parent / "prepared.py"
# What Python, Celery and billiard read when they are started or imported: too late for a fork.
_READ_EARLY = ("C_", "CELERY_WORKER_", "PYTHON", "REMAP_SIGTERM")


class Forked:
    """A process that has been started: what tests use of `subprocess.Popen`, with the same meaning."""

    def __init__(self, arguments: Sequence[str], answers: socket.socket) -> None:
        self.args = arguments
        self.returncode: int | None = None
        self._answers = answers
        self.pid = int(answers.recv(32))

    def poll(self) -> int | None:
        """Its exit code, as soon as it has ended."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended; the timeout is in seconds."""
        if self.returncode is None:
            self._answers.settimeout(timeout)
            try:
                self.returncode = int(self._answers.recv(32))
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._answers.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal it, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


def is_possible(environment: Mapping[str, str]) -> bool:
    """Whether a fork can be a process of this environment: what is read early is as here."""
    return _early(environment) == _early(os.environ)


def start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    streams: tuple[int, int, int],
    *,
    alone: bool = False,
) -> Forked:
    """Start `-m` and a module, or the script `omninode`, as Python does with these arguments.

    One that is `alone` is the first of a session of its own.
    """
    asked = {
        "arguments": list(arguments),
        "environment": dict(environment),
        "folder": str(Path.cwd()),
        "alone": alone,
    }
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        socket.send_fds(_prepared(), [b"."], [theirs.fileno(), *streams])
    ours.send(json.dumps(asked).encode())
    return Forked(arguments, ours)


def _early(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_EARLY)}


_preparing = Lock()
_started: dict[tuple[tuple[str, str], ...], tuple[socket.socket, subprocess.Popen[bytes]]] = {}


def _prepared() -> socket.socket:
    """The way to the process that forks, which ends when this one does."""
    early = tuple(sorted(_early(os.environ).items()))
    with _preparing:
        if early not in _started:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                command = [sys.executable, str(_PREPARED)]
                _started[early] = ours, subprocess.Popen(command, stdin=theirs.fileno())
        return _started[early][0]


@atexit.register
def _end_prepared() -> None:
    for way, process in _started.values():
        way.close()
        process.wait(10)
