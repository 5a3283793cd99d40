"""The events of this process are recorded for the fleet once, however many want it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from monitoring.recording.listening import listener_for_fleet
from monitoring.recording.recorder import Recorder
from orchestrator import events


class Hearing:
    """Hears while at least one wants it to."""

    def __init__(self, recorder: Recorder) -> None:
        self._listener = listener_for_fleet(recorder)
        self._lock = threading.RLock()
        self._wanted: set[object] = set()
        self._detach: Callable[[], None] | None = None

    def want(self) -> Callable[[], None]:
        """Hear from now on; returns what takes that back, which may be called twice."""
        mark = object()
        with self._lock:
            self._wanted.add(mark)
            if self._detach is None:
                self._detach = events.attach(self._listener)

        def no_more() -> None:
            with self._lock:
                self._wanted.discard(mark)
                if not self._wanted and self._detach:
                    self._detach()
                    self._detach = None

        return no_more

    def after_fork(self) -> None:
        """Another thread of the parent may have held the lock."""
        self._lock = threading.RLock()
