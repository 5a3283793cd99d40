"""Watches over the time of what blocks a thread, from one thread, which sleeps until something is due.

Whoever is watched may be interrupted at any step, and so takes no lock and makes no call of Python's that
does: it appends to a deque, and puts into a queue of C's where the watchdog would wake too late.
"""

from __future__ import annotations

import heapq
import math
import os
import threading
import time
from collections import deque
from itertools import count
from queue import Empty, SimpleQueue
from typing import Protocol

from orchestrator import forks, logger

_LOG = logger.get(__name__)

# While anything is watched, what is over is dropped so often.
_TIDY_SECONDS = 1.0


class Watched(Protocol):
    """Has things that are due."""

    is_over: bool

    def advance(self) -> float | None:
        """Do what is due; returns when the next thing is by its clock, None where there is none."""

    def clock(self) -> float:
        """The clock that its moments are those of."""


class Watchdog:
    """Of one process; its thread is made when it is first needed."""

    def __init__(self) -> None:
        self._wakes_at = math.inf
        self.forget()

    def watch(self, watched: Watched, due: float) -> None:
        """Have it advance when it is due, by its own clock."""
        at = time.monotonic() + due - watched.clock()
        self._coming.append((at, next(self._numbers), watched))
        if self._thread is None:
            self._start()
        if at < self._wakes_at:
            self._wakes_at = at
            self._woken.put(None)

    def forget(self) -> None:
        """Nothing is watched: this process was forked."""
        self._starting = threading.Lock()
        self._numbers = count()
        self._coming: deque[tuple[float, int, Watched]] = deque()
        self._heap: list[tuple[float, int, Watched]] = []
        self._woken: SimpleQueue[None] = SimpleQueue()
        self._wakes_at = math.inf
        self._tidied_at = -math.inf
        self._thread: threading.Thread | None = None

    def _start(self) -> None:
        with self._starting:
            if self._thread is not None:
                return
            forks.keep_apart()
            thread = threading.Thread(target=self._run, name="omninode-timeouts", daemon=True)
            # Where there can be no more threads the next one that is watched tries again.
            thread.start()
            self._thread = thread

    def _run(self) -> None:
        while True:
            self._take_in()
            self._wakes_at = self._heap[0][0] if self._heap else math.inf
            # What came since it was last looked at may have gone by when it would wake before.
            if self._coming:
                continue
            self._sleep()
            self._advance_all()

    def _take_in(self) -> None:
        while self._coming:
            entry = self._coming.popleft()
            if not entry[2].is_over:
                heapq.heappush(self._heap, entry)
        now = time.monotonic()
        if now - self._tidied_at >= _TIDY_SECONDS:
            self._tidied_at = now
            self._heap = [entry for entry in self._heap if not entry[2].is_over]
            heapq.heapify(self._heap)

    def _sleep(self) -> None:
        seconds = min(max(0.0, self._wakes_at - time.monotonic()), _TIDY_SECONDS)
        try:
            self._woken.get(timeout=None if math.isinf(self._wakes_at) else seconds)
            # However many have called: once is enough.
            while True:
                self._woken.get_nowait()
        except Empty:
            return

    def _advance_all(self) -> None:
        while self._heap and self._heap[0][0] <= time.monotonic():
            _, number, watched = heapq.heappop(self._heap)
            due = self._advance(watched)
            if due is not None:
                heapq.heappush(self._heap, (time.monotonic() + due - watched.clock(), number, watched))

    def _advance(self, watched: Watched) -> float | None:
        try:
            with forks.threads_at_work():
                return watched.advance()
        except Exception:
            _LOG.tell("exception", "timeout_not_kept")
            return watched.clock() + _TIDY_SECONDS


watchdog = Watchdog()
os.register_at_fork(after_in_child=watchdog.forget)
