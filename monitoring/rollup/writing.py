"""Writes what this process records to the fleet's sums: one thread, begun by the first record, once a second.

A killed process takes along what it has recorded since it last wrote: a second's. Nothing is written while
nothing is recorded, but every fifteen seconds that the process lives. While Redis is away what is recorded is
summed here, and written when it is back.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from multiprocessing.util import Finalize
from queue import Empty, SimpleQueue

from redis import Redis
from redis.exceptions import RedisError

from monitoring.judging.thresholds import Given
from monitoring.recording.recorder import Recorder
from monitoring.recording.sums import Sums
from monitoring.rollup import processes
from monitoring.rollup.batches import Batches
from orchestrator import broker, forks, logger, settings
from orchestrator.errors import SettingsError

_LOG = logger.get(__name__)

WRITE_SECONDS = 1.0
_AWAY_SECONDS = 2.0
# Who asks waits for this at most, and so does a process that ends.
_ANSWER_SECONDS = 1.0
# The figures of these alone are hardly ever looked at: a day's take tens of megabytes of memory.
_WORKING, _WORKING_HOURS = frozenset({"worker", "child", "relay"}), 1.0
# What a Redis that is not there, or does not answer as one, makes its client raise.
AWAY = (RedisError, OSError, SettingsError)


class Writer:
    """That of one process, with its recorder. A forked child calls `reset`."""

    def __init__(self, role: str = "application") -> None:
        self.role = role
        self._given = Given()
        self.recorder = Recorder(lambda: self.kept_hours, on_first=self.wake)
        self._is_kept = False
        # One of C: a record in a signal's handler may wake it while it is being woken.
        self._woken: SimpleQueue[None] = SimpleQueue()
        self.reset()

    @property
    def kept_hours(self) -> float:
        """For how long this process keeps minutes of its own, for who asks while Redis is away."""
        hours = self._given.resolved().retention_hours
        return min(hours, _WORKING_HOURS) if self.role in _WORKING else hours

    def reset(self) -> None:
        """Begin at zero: of a forked child the parent writes what was recorded before, and has the thread."""
        self.recorder.forget()
        former, self._woken = self._woken, SimpleQueue()
        former.put(None)
        self._writing = threading.RLock()
        self._batches = Batches()
        self._told_refused = self._told_overflowed = 0
        self._told_at = -processes.TELL_SECONDS
        self._is_begun = False
        self._is_away = False
        self._client: tuple[str, str, Redis] | None = None

    def wake(self) -> None:
        """Something was recorded, the first since it was last taken; never raises, and waits for nothing."""
        self._woken.put(None)
        if self._is_begun:
            return
        self._is_begun = True
        if not self._is_kept:
            # A forked child has this from its parent.
            self._is_kept = True
            atexit.register(self.close)
        if parent_process() is not None:
            # A process of `multiprocessing` ends without what is registered with `atexit`.
            Finalize(None, self.close, exitpriority=1)
        forks.keep_apart()
        with suppress(RuntimeError):
            # Where there can be no more threads, the end of the process writes all of it.
            thread = threading.Thread(
                target=self._run, args=(self._woken,), name="omninode-metrics", daemon=True
            )
            thread.start()

    def flush(self) -> bool:
        """Write all that was recorded, at once; says whether Redis has it. Never raises."""
        with self._writing:
            self._gather()
            return self._write()

    def close(self) -> None:
        """The process ends: write the rest, within limits, and be no process of the fleet any more."""
        if not self._is_begun or not self.flush():
            return
        with suppress(*AWAY):
            client, prefix = self._connected()
            processes.leave(client, prefix)
            self._batches.forget(client, prefix)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Meanwhile nothing is written: what is not yet in Redis is what `unwritten` says."""
        with self._writing:
            yield

    def unwritten(self) -> Sums:
        """What was recorded here, and may not be in Redis yet."""
        with self._writing:
            return self._batches.sums() + self.recorder.untaken()

    def unwritten_marks(self) -> tuple[int, int]:
        """How much was refused, and how many names were too many, that Redis may not know of yet."""
        with self._writing:
            self._gather_marks()
            marks = self._batches.marks()
            return marks.get("refused", 0), marks.get("overflowed", 0)

    # -- its thread

    def _run(self, woken: SimpleQueue[None]) -> None:
        while True:
            self._rest(woken)
            if woken is not self._woken:
                # All begins anew, with another thread.
                return
            try:
                with forks.threads_at_work(), self._writing:
                    self._gather()
                    self._write()
            except Exception as error:
                # It ends one try, and not the thread.
                _LOG.warning("metrics_not_written", error=f"{type(error).__name__}: {error}"[:200])

    def _rest(self, woken: SimpleQueue[None]) -> None:
        """Until something is recorded, or this process has to say that it lives; then for a moment."""
        if not self._batches:
            with suppress(Empty):
                woken.get(timeout=processes.TELL_SECONDS)
        time.sleep(_AWAY_SECONDS if self._is_away else WRITE_SECONDS)
        with suppress(Empty):
            while True:
                woken.get_nowait()

    # -- with what is written held still

    def _gather(self) -> None:
        self._batches.put(self.recorder.take())
        self._gather_marks()

    def _gather_marks(self) -> None:
        refused, overflowed = self.recorder.refused, self.recorder.overflowed
        self._batches.put(
            Sums(), refused=refused - self._told_refused, overflowed=overflowed - self._told_overflowed
        )
        self._told_refused, self._told_overflowed = refused, overflowed

    def _write(self) -> bool:
        is_due = self._is_begun and time.monotonic() - self._told_at >= processes.TELL_SECONDS
        if not self._batches and not is_due:
            return True
        try:
            client, prefix = self._connected()
            self._batches.send(client, prefix)
            if is_due:
                processes.tell(client, prefix, self.role)
                self._told_at = time.monotonic()
        except AWAY as error:
            self._lose(error)
            return False
        if self._is_away:
            self._is_away = False
            _LOG.info("metrics_written_again")
        return True

    def _connected(self) -> tuple[Redis, str]:
        chosen = settings.current()
        present = self._client
        if present is None or present[:2] != (chosen.broker_url, chosen.key_prefix):
            made = broker.client(chosen, decode=True, timeout_seconds=_ANSWER_SECONDS, retries=0)
            present = self._client = chosen.broker_url, chosen.key_prefix, made
        return present[2], present[1]

    def _lose(self, error: BaseException) -> None:
        if not self._is_away:
            self._is_away = True
            _LOG.warning("metrics_wait_for_redis", error=f"{type(error).__name__}: {error}"[:200])
