"""Records what happens in this process: additions to dictionaries, under a lock that is held for a moment."""

from __future__ import annotations

from math import ceil, inf, isnan, log2

from monitoring.recording.buckets import FIRST, LAST, LONGEST_SECONDS, PER_DOUBLING, SHORTEST_SECONDS
from monitoring.recording.kinds import kind
from monitoring.recording.labels import label
from monitoring.recording.ledger import Ledger
from monitoring.recording.measures import milliseconds
from monitoring.recording.minute import Cell
from orchestrator.errors import InvalidMeasure

_LONGEST_MS, _SHORTEST_MS = LONGEST_SECONDS * 1000, SHORTEST_SECONDS * 1000


class Recorder(Ledger):
    """Sums by minute of what one process records, from any of its threads; see `Ledger` for its arguments."""

    def record(
        self,
        component: str,
        operation: str,
        duration_ms: float,
        success: bool,  # noqa: FBT001
        error_type: str | None = None,
    ) -> None:
        """A call has ended. What takes longer than twelve days counts as that; see `label` for names.

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
        if _SHORTEST_MS < waited_ms < _LONGEST_MS:
            index = ceil(log2(waited_ms / 1000.0) * PER_DOUBLING)
        elif isnan(waited_ms):
            self._refuse("waited_ms must be a number of milliseconds, not nan")
        else:
            index, waited_ms = (
                (FIRST, max(waited_ms, 0.0)) if waited_ms < _LONGEST_MS else (LAST, _LONGEST_MS)
            )
        micros = int(waited_ms * 1000.0 + 0.5)
        with self._lock:
            self._last = now = self._clock()
            if now >= self._over_at:
                self._turn()
            cell = self._open.waits.get((queue, task)) or self._wait_cell(queue, task)
            cell.micros += micros
            if micros < cell.least:  # noqa: PLR1730
                cell.least = micros
            if micros > cell.most:  # noqa: PLR1730
                cell.most = micros
            cell.buckets[index] += 1

    # Cells and errors are found with the lock held.

    def _count_event(self, what: str, name: str) -> None:
        with self._lock:
            self._note_time()
            self._tell()
            self._open.events[what, self._labels.event(what, name)] += 1

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

    def _number(self, duration_ms: object) -> float:
        try:
            return milliseconds(duration_ms)
        except InvalidMeasure as error:
            self._refuse(str(error))
