"""Shows what runs in this process to the fleet: one thread, which writes once a second while something does.

Nothing is written of what is over within a second, and nothing at all while nothing runs: there is neither a
command nor, before the first time, a thread. What a killed process has written is gone six seconds later.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from orchestrator import logger, redaction, settings
from orchestrator.forks import keep_apart, threads_at_work
from orchestrator.timeouts import watch
from orchestrator.timeouts.running import Running, Table, table
from orchestrator.timeouts.sheet import Sheet

_LOG = logger.get(__name__)

# Limits are looked at so often, and the fleet is told once in so many.
_LOOK_SECONDS = 0.25
_TELL_SECONDS = 1.0
# While Redis is away: each attempt may take seconds, in which nobody is warned.
_AWAY_SECONDS = 5.0
_CLOSE_SECONDS = 1.0


def wake() -> None:
    """Something runs: show it from now on, if it lasts. Never raises, whoever calls."""
    global _publisher  # noqa: PLW0603 (a process has one)
    if _publisher is None:
        with _lock:
            if _publisher is None:
                _publisher = Publisher(table)
                _publisher.start()
    _publisher.wake()


class Publisher:
    """Looks at a table, warns of what comes near its limit, and tells the fleet."""

    def __init__(self, what: Table) -> None:
        self._table = what
        # One of C: a signal's handler that raises while something begins leaves no lock of Python's taken.
        self._woken: SimpleQueue[None] = SimpleQueue()
        self._is_ending = False
        self._is_away = False
        self._told_at = -_TELL_SECONDS
        self._sheet = Sheet()
        self._chosen: settings.Settings | None = None
        self._thread = threading.Thread(target=self._run, name="omninode-running", daemon=True)

    def start(self) -> None:
        """Begin; where there can be no more threads the process goes unseen."""
        keep_apart()
        try:
            self._thread.start()
        except RuntimeError as error:
            _LOG.tell("info", "running_not_shown", error=str(error))

    def wake(self) -> None:
        """There is something."""
        # Only its thread says that nobody need call any more: it may be asleep again before this returns.
        self._woken.put(None)

    def close(self) -> None:
        """The process ends: take back what was told, within limits."""
        self._is_ending = True
        self._woken.put(None)
        if self._thread.ident is not None:
            self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        while not self._is_ending:
            self._rest()
            try:
                with threads_at_work():
                    self._look()
            except Exception:
                # Without this thread nobody would be warned of a limit any more.
                _LOG.tell("exception", "running_not_looked_at")
        self._tell([])

    def _rest(self) -> None:
        """For a moment; where nothing runs, until something does."""
        self._table.on_first = wake
        # After that: what was entered before it said nothing, and is seen here.
        if not (len(self._table) or self._sheet.is_out):
            self._woken.get()
        self._table.on_first = None
        self._drain()
        # However often something begins and ends, it is looked at only so often.
        if not self._is_ending:
            with contextlib.suppress(Empty):
                self._woken.get(timeout=_LOOK_SECONDS)
            self._drain()

    def _drain(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._woken.get_nowait()

    def _look(self) -> None:
        now, entries = time.monotonic(), self._table.entries()
        watch.look(entries, now, time.time())
        if now - self._told_at < (_AWAY_SECONDS if self._is_away else _TELL_SECONDS):
            return
        lasting = [entry for entry in entries if now - entry.began >= _TELL_SECONDS]
        if lasting or self._sheet.is_out:
            self._told_at = now
            self._tell(lasting)

    def _tell(self, entries: Sequence[Running]) -> None:
        """Write them, or take back what was written; an outage is said once."""
        try:
            if entries:
                self._chosen = settings.current()
            # It is taken back where it was written.
            if self._chosen:
                self._sheet.write(entries, self._chosen)
            self._is_away = False
        except Exception as error:
            if not self._is_away:
                self._is_away = True
                _LOG.tell(
                    "info", "running_not_shown", error=redaction.text(f"{type(error).__name__}: {error}")
                )


def _begin_anew() -> None:
    """A fork takes no thread along, and its child shows itself under a name of its own."""
    global _publisher, _lock
    _publisher, _lock = None, threading.RLock()
    table.on_first = wake


def _end() -> None:
    if _publisher:
        _publisher.close()


# A signal's handler may begin something while this thread holds it.
_lock = threading.RLock()
_publisher: Publisher | None = None
atexit.register(_end)
os.register_at_fork(after_in_child=_begin_anew)
