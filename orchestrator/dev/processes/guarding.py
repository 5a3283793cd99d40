"""This process's end of the guard: what it is told, and the order to end everything."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.dev.processes import guard
from orchestrator.errors import StackError

HERE = Path(__file__).parent
# -I -S: the scripts need nothing but the standard library, and start in some ten milliseconds.
PYTHON = (sys.executable, "-I", "-S")
_POLL_SECONDS = 0.01
_ENDING_SECONDS = 8.0


class Guard:
    """A process that ends and removes what it was told of, once this process says so or is gone."""

    def __init__(self) -> None:
        # What the guard knows is known here too, in case that somebody kills the guard.
        self.estate = guard.Estate()
        self._link, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*PYTHON, str(HERE / "guard.py"), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    @property
    def pid(self) -> int:
        """The guard's process."""
        return self._process.pid

    @property
    def link(self) -> int:
        """The descriptor that `launch.py` tells the guard by."""
        return self._link.fileno()

    def check(self) -> None:
        """Raise StackError when somebody has killed the guard."""
        if self._process.poll() is not None:
            raise StackError("the guard process of the stack was killed")

    def tell(self, **message: object) -> None:
        """Tell the guard `remove=path` or `gone=pid`."""
        line = json.dumps(message)
        self.estate.take(line)
        self._send(line)

    def hold(self, descriptor: int) -> None:
        """Let the guard hold a locked file until it ends."""
        self._send("{}", descriptor)

    def end(self, reap: Callable[[], None], hurried: Callable[[], bool]) -> None:
        """Have everything ended and removed; returns when that is done.

        `reap` is called again and again, as only this process can take the ended ones off the system's table;
        once `hurried` returns true, the guard kills at once.
        """
        # Nobody registers any more: a process that is about to (`launch.py`) fails and ends.
        self._link.shutdown(socket.SHUT_WR)
        limit = time.monotonic() + _ENDING_SECONDS
        told = False
        while self._process.poll() is None and time.monotonic() < limit:
            reap()
            if hurried() and not told:
                self._process.send_signal(signal.SIGUSR1)
                told = True
            time.sleep(_POLL_SECONDS)
        self._link.close()
        if self._process.returncode != 0:
            self._do_its_work(reap, hurried)

    def _do_its_work(self, reap: Callable[[], None], hurried: Callable[[], bool]) -> None:
        def reaping() -> bool:
            reap()
            return hurried()

        guard.end(list(self.estate.wards.values()), reaping)
        self.estate.remove()

    def _send(self, line: str, *descriptors: int) -> None:
        data = line.encode() + b"\n"
        try:
            socket.send_fds(self._link, [data], descriptors) if descriptors else self._link.sendall(data)
        except OSError as error:
            raise StackError("the guard process of the stack was killed") from error
