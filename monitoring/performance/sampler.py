"""Looks at the health each interval, in a thread of its own that keeps no process alive."""

from __future__ import annotations

import threading
from collections.abc import Callable

from orchestrator import forks, logger

_LOG = logger.get(__name__)
_STOP_SECONDS = 5.0


class Sampler:
    """Calls `look` now, and then every so many seconds, until it is stopped."""

    def __init__(self, look: Callable[[], object], interval_seconds: float) -> None:
        self._look = look
        # A thread cannot wait for longer.
        self._interval_seconds = min(interval_seconds, threading.TIMEOUT_MAX)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="omninode-performance", daemon=True)

    def start(self) -> None:
        """Begin."""
        forks.keep_apart()
        self._thread.start()

    def stop(self) -> None:
        """End; waits for a look that is under way."""
        self._is_over.set()
        if self._thread is not threading.current_thread():
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while True:
            try:
                with forks.threads_at_work():
                    self._look()
            except Exception as error:
                # One look has failed: the next one may not.
                _LOG.warning("performance_look_failed", error=f"{type(error).__name__}: {error}"[:200])
            if self._is_over.wait(self._interval_seconds):
                return
