"""Records what happens in this process: additions to dictionaries, under a lock that is held for a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from math import ceil, inf, isnan, log2, nan
from numbers import Real
from typing import Any, NoReturn

from monitoring.recording.buckets import FIRST, LAST, LONGEST_SECONDS, PER_DOUBLING, SHORTEST_SECONDS, bucket
from monitoring.recording.kept import Kept
from monitoring.recording.kinds import kind
from monitoring.recording.labels import Labels, label
from monitoring.recording.minute import Cell, Minute
from monitoring.recording.sums import Snapshot, Sums
from orchestrator.errors import InvalidMeasure

_LONGEST_MS, _SHORTEST_MS = LONGEST_SECONDS * 1000, SHORTEST_SECONDS * 1000


class Recorder:
    """Sums by minute of what one process records, from any of its threads.

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

    def record(
        self,
        component: str,
        operation: str,
        duration_ms: float,
        success: bool,  # noqa: FBT001
        error_type: str | None = None,
    ) -> None:
        """A call has ended. What takes longer than twelve days counts as that; see `label` for long names.

        A call that has failed is an error of the type `unknown` where `error_type` is None or "".

        Raises:
            InvalidMeasure: the duration is no number from 0 up, a name is no text or empty, or `success` is
                neither True nor False: nothing is recorded.
        """
        if type(duration_ms) is not float:
            duration_ms = self._number(duration_ms)
        if _SHORTEST_MS < duration_ms < _LONGEST_MS:
            index = ceil(log2(duration_ms / 1000.0) * PER_DOUBLING)
        elif 0.0 <= duration_ms < inf:
            index, duration_ms = (FIRST, duration_ms) if duration_ms < _LONGEST_MS else (LAST, _LONGEST_MS)
        else:
            self._refuse(f"duration_ms must be a number of milliseconds from 0 up, not {duration_ms!r}")
        micros = int(duration_ms * 1000.0 + 0.5)
        with self._lock:
            self._last = now = self._clock()
            if now >= self._over_at:
                self._turn()
            try:
                cell = self._open.cells[component, operation, success]
            except (KeyError, TypeError):
                cell = self._cell(component, operation, success)
            if not success:
                self._count_error(cell.component, error_type)
            cell.micros += micros
            # A call of `min` or `max` costs more than that.
            if micros < cell.least:  # noqa: PLR1730
                cell.least = micros
            if micros > cell.most:  # noqa: PLR1730
                cell.most = micros
            cell.buckets[index] += 1

    def record_event(self, event_type: str, component: str, topic: str | None = None) -> None:
        """Something else has happened: one of `KINDS`; a dead letter counts by its topic, where it is given.

        Raises:
            InvalidMeasure: there is no such event, or a name is no text or empty: nothing is recorded.
        """
        try:
            what, name = kind(event_type), label("component", component)
            if topic is not None and what == "dead_letter_message":
                name = label("topic", topic)
        except InvalidMeasure as error:
            self._refuse(str(error))
        self._count_event(what, name)

    def record_told(self, told: str, component: str) -> None:
        """Something that is counted beside `KINDS`: one of `TOLD` has been told of.

        Raises:
            InvalidMeasure: the name is no text or empty: nothing is recorded.
        """
        try:
            name = label("component", component)
        except InvalidMeasure as error:
            self._refuse(str(error))
        self._count_event(told, name)

    def record_wait(self, queue: str, task: str, waited_ms: float) -> None:
        """A task has begun for the first time, after so long; what lies before its enqueue is no wait.

        Raises:
            InvalidMeasure: it is no number, or a name is no text or empty: nothing is recorded.
        """
        if type(waited_ms) is not float:
            waited_ms = self._number(waited_ms)
        if not waited_ms < _LONGEST_MS:
            if isnan(waited_ms):
                self._refuse("waited_ms must be a number of milliseconds, not nan")
            waited_ms = _LONGEST_MS
        index, micros = (
            (bucket(waited_ms / 1000.0), int(waited_ms * 1000.0 + 0.5)) if waited_ms > 0 else (FIRST, 0)
        )
        with self._lock:
            self._last = now = self._clock()
            if now >= self._over_at:
                self._turn()
            cell = self._open.waits.get((queue, task)) or self._wait_cell(queue, task)
            cell.add(index, micros)

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

    def _count_event(self, what: str, name: str) -> None:
        with self._lock:
            self._note_time()
            self._tell()
            self._open.events[what, self._labels.event(what, name)] += 1

    def _settle(self, now: float) -> None:
        self._kept.settle((now + self._ahead) / 60, self._retention_hours() * 60)

    def _cell(self, component: str, operation: str, success: bool) -> Cell:  # noqa: FBT001
        try:
            names = label("component", component), label("operation", operation)
        except InvalidMeasure as error:
            self._refuse(str(error))
        if success not in (True, False):
            self._refuse(f"success must be True or False, not {success!r:.80}")
        component, operation = self._labels.pair(*names)
        self._tell()
        return self._open.cells.setdefault((component, operation, bool(success)), Cell(component))

    def _wait_cell(self, queue: str, task: str) -> Cell:
        try:
            names = label("queue", queue), label("task", task)
        except InvalidMeasure as error:
            self._refuse(str(error))
        self._tell()
        where = self._queues.pair(*names)
        return self._open.waits.setdefault(where, Cell(where[0]))

    def _count_error(self, component: str, error_type: str | None) -> None:
        try:
            name = label("error_type", "unknown" if error_type in (None, "") else error_type)
        except InvalidMeasure as error:
            self._refuse(str(error))
        self._open.errors[component, self._labels.error_type(component, name)] += 1

    # What follows is not.

    def _number(self, duration_ms: object) -> float:
        if not isinstance(duration_ms, Real | Decimal) or isinstance(duration_ms, bool):
            self._refuse(f"duration_ms must be a number of milliseconds, not {duration_ms!r:.80}")
        try:
            return float(duration_ms)
        except OverflowError:
            # No float is as large.
            return -_LONGEST_MS if _is_negative(duration_ms) else _LONGEST_MS
        except ValueError:
            return nan

    def _refuse(self, message: str) -> NoReturn:
        with self._lock:
            self._refused += 1
            self._tell()
        raise InvalidMeasure(message)


def _is_negative(number: Any) -> bool:
    return bool(number < 0)
