"""What one process records, by the minute: opened, closed, kept, and taken by who writes it for the fleet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from monitoring.recording.kept import Kept
from monitoring.recording.labels import Labels
from monitoring.recording.minute import Minute
from monitoring.recording.sums import Snapshot, Sums
from orchestrator.errors import InvalidMeasure


class Ledger:
    """The minutes of one process; `Recorder` adds to the present one, which is `_open`.

    `retention_hours` says how long they are kept, asked when a minute is over; `clock` in seconds that only
    grow, `wall` in Unix seconds, which is looked at once. A forked child calls `forget`.

    `on_first` is for whoever takes what was recorded: it is called by the first record after each `take`, in
    the recording thread and with the lock held, so it has to be quick, and must not raise. Without it nothing
    is kept to be taken.
    """

    def __init__(
        self,
        retention_hours: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        on_first: Callable[[], None] | None = None,
    ) -> None:
        self._on_first = on_first
        self._retention_hours = retention_hours
        self._clock = clock
        self._wall = wall
        self.forget()

    def forget(self) -> None:
        """Begin at zero, and hold no lock."""
        # One that a signal's handler may enter while it is held by the same thread: sums stay sums.
        self._lock = threading.RLock()
        self._began = self._last = self._clock()
        # Minutes are those of Unix time at the beginning: a clock that is set later moves none of them.
        self._ahead = self._wall() - self._began
        self._labels, self._queues = Labels(), Labels()
        self._kept = Kept()
        self._untaken = Sums()
        self._is_told = False
        self._refused = 0
        self._is_free = True
        self._open_minute()

    def take(self) -> Sums:
        """What was recorded since this was last called; with `on_first` alone."""
        with self._lock, self._alone() as is_alone:
            if not is_alone:
                return Sums()
            # The first record after this finds no cell of its own, and so calls `on_first`.
            self._close(keep=True)
            taken, self._untaken = self._untaken, Sums()
            self._is_told = False
        return taken

    def untaken(self) -> Sums:
        """What `take` would return now; it stays."""
        with self._lock:
            return self._untaken + self._open.sums()

    @property
    def refused(self) -> int:
        """How often something was no measure."""
        return self._refused

    @property
    def overflowed(self) -> int:
        """How often a name was one too many."""
        return self._labels.overflowed + self._queues.overflowed

    def snapshot(self) -> Snapshot:
        """What is known now."""
        with self._lock:
            now = self._clock()
            if now >= self._over_at:
                self._turn()
            elif now - self._last > self._retention_hours() * 3600:
                # Shorter than a minute: nothing of the present one is kept either.
                self._turn(keep=False)
            with self._alone() as is_alone:
                if is_alone:
                    self._settle(now)
                present, kept = self._open.sums(), self._kept
                minutes = dict(kept.minutes)
                if present != Sums():
                    minutes[self._minute] = minutes.get(self._minute, Sums()) + present
                total, refused, overflowed = kept.total, self._refused, self.overflowed
                minute = self._minute
        return Snapshot(minute, now - self._began, total + present, minutes, refused, overflowed)

    # What follows is called with the lock held.

    def _open_minute(self) -> None:
        self._open = Minute()
        self._minute = int((self._clock() + self._ahead) // 60)
        self._over_at = (self._minute + 1) * 60 - self._ahead

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Work on what is closed, unless this is a signal's handler that has interrupted who does so."""
        was_free, self._is_free = self._is_free, False
        try:
            yield was_free
        finally:
            self._is_free = was_free

    def _turn(self, *, keep: bool = True) -> None:
        with self._alone() as is_alone:
            if not is_alone:
                return
            self._close(keep=keep)
            self._settle(self._clock())

    def _close(self, *, keep: bool) -> None:
        minute, over = self._minute, self._open
        self._open_minute()
        sums = over.sums()
        if sums == Sums():
            return
        self._kept.close(minute, sums, keep=keep)
        if self._on_first:
            self._untaken += sums

    def _note_time(self) -> None:
        self._last = now = self._clock()
        if now >= self._over_at:
            self._turn()

    def _tell(self) -> None:
        if not self._is_told and self._on_first:
            self._is_told = True
            self._on_first()

    def _settle(self, now: float) -> None:
        self._kept.settle((now + self._ahead) / 60, self._retention_hours() * 60)

    def _refuse(self, message: str) -> NoReturn:
        with self._lock:
            self._refused += 1
            self._tell()
        raise InvalidMeasure(message)
