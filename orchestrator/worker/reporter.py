"""Tells the result backend, hooks and signals what the main process has decided, beside its event loop.

A message is settled after its outcome was told, so that what dies in between tells it again instead of never.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import structlog
from redis.exceptions import OutOfMemoryError

from orchestrator.forks import threads_at_work

_LOG = structlog.get_logger(__name__)

_THREADS = 4
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 15.0


class Reporter:
    """A few threads that carry out reports, each again and again until it succeeds."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="omninode-reports")
        self._pending: set[Future[None]] = set()

    def report(self, tell: Callable[[], None], then: Callable[[], None]) -> None:
        """Call `tell` until it does not raise, and then `then`; when stopped before, call neither again.

        A full Redis is told first (`then` settles, which frees memory) and hears the rest as soon as it can.
        """
        future = self._threads.submit(self._carry_out, tell, then)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)

    def close(self, timeout_seconds: float) -> None:
        """Give what is under way this long; what is untold by then stays unsettled, to be told again."""
        wait(list(self._pending), timeout=timeout_seconds)
        self._stopping.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _carry_out(self, tell: Callable[[], None], then: Callable[[], None]) -> None:
        pause_seconds, settled = _FIRST_PAUSE_SECONDS, False
        while not self._stopping.is_set():
            try:
                with threads_at_work():
                    tell()
                break
            except Exception as error:
                _LOG.warning("outcome_not_told", error=str(error), again_in_seconds=pause_seconds)
                if isinstance(error, OutOfMemoryError) and not settled:
                    then()
                    settled = True
            if self._stopping.wait(pause_seconds):
                return
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
        if not settled and not self._stopping.is_set():
            with threads_at_work():
                then()


_reporter: Reporter | None = None


def current() -> Reporter:
    """The reporter of this process."""
    global _reporter  # noqa: PLW0603 (a process has one)
    if _reporter is None:
        _reporter = Reporter()
    return _reporter


def close(timeout_seconds: float = 5.0) -> None:
    """Finish what is under way, within limits."""
    global _reporter  # noqa: PLW0603
    if _reporter is not None:
        _reporter.close(timeout_seconds)
        _reporter = None
