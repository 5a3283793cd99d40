"""Tells the result backend, hooks and signals what the main process has decided, beside its event loop.

A message is settled after its outcome was told, so that what dies in between tells it again instead of never.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from celery.exceptions import BackendError
from kombu.exceptions import OperationalError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from orchestrator import logger
from orchestrator.forks import threads_at_work
from orchestrator.retry.backoff import ceiling_seconds
from orchestrator.worker.chords import BodyUnsent

_LOG = logger.get(__name__)

_THREADS = 4
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 15.0
# What fails although nothing is away may be tried so often: a report that cannot succeed must not stay.
_CHANCES = 5


@dataclass
class Report:
    """What has to be told, and what comes then."""

    tell: Callable[[], None]
    then: Callable[[], None]
    instead: Callable[[], None] | None = None
    failures: int = 0
    is_settled: bool = False

    @property
    def pause_seconds(self) -> float:
        """How long to wait before it is tried again."""
        return ceiling_seconds(self.failures - 1, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)


class Reporter:
    """A few threads that carry out reports; one that waits for its next try holds none of them up."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Report]] = []
        self._numbers = itertools.count()
        self._pending = 0
        self._stopping = False
        for number in range(_THREADS):
            threading.Thread(target=self._work, name=f"omninode-reports-{number}", daemon=True).start()

    def report(
        self,
        tell: Callable[[], None],
        then: Callable[[], None],
        instead: Callable[[], None] | None = None,
    ) -> None:
        """Call `tell` until it does not raise, and then `then`; or `instead`, where that never works.

        While Redis or the result backend is away it is tried again for as long as that lasts; what fails for
        another reason, a few times. A full Redis is told first (`then` settles, which frees memory) and hears
        the rest as soon as it can.
        """
        with self._changed:
            self._pending += 1
            self._put(Report(tell, then, instead), time.monotonic())

    def wait(self, timeout_seconds: float) -> bool:
        """Give what is under way this long; returns whether all was told."""
        with self._changed:
            return self._changed.wait_for(lambda: self._pending == 0, timeout_seconds)

    def close(self, timeout_seconds: float) -> None:
        """The same, and end; what is untold by then stays unsettled, to be told again."""
        self.wait(timeout_seconds)
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _put(self, report: Report, due: float) -> None:
        heapq.heappush(self._due, (due, next(self._numbers), report))
        self._changed.notify_all()

    def _work(self) -> None:
        while report := self._next():
            is_told = self._carry_out(report)
            with self._changed:
                if is_told:
                    self._pending -= 1
                    self._changed.notify_all()
                else:
                    self._put(report, time.monotonic() + report.pause_seconds)

    def _next(self) -> Report | None:
        with self._changed:
            while not self._stopping:
                wait_seconds = self._due[0][0] - time.monotonic() if self._due else None
                if wait_seconds is not None and wait_seconds <= 0:
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait_seconds)
        return None

    def _carry_out(self, report: Report) -> bool:
        """Try once; False when it has to be tried again."""
        try:
            with threads_at_work():
                report.tell()
        except BaseException as error:
            report.failures += 1
            if not _is_away(error) and report.failures >= _CHANCES:
                _LOG.exception("outcome_never_told", exc_info=error)
                if report.instead is not None:
                    report.then, report.is_settled = report.instead, False
            else:
                _LOG.warning("outcome_not_told", error=str(error), again_in_seconds=report.pause_seconds)
                if isinstance(error, OutOfMemoryError):
                    _settle(report)
                return False
        _settle(report)
        return True


def _settle(report: Report) -> None:
    if report.is_settled:
        return
    report.is_settled = True
    try:
        with threads_at_work():
            report.then()
    except Exception:
        _LOG.exception("settlement_failed")


def _is_away(error: BaseException) -> bool:
    """Whether it means that something cannot be reached now, or is not there yet, and may be later."""
    if isinstance(error, ResponseError):
        return isinstance(error, OutOfMemoryError | ReadOnlyError)
    return isinstance(error, RedisError | OSError | OperationalError | BackendError | BodyUnsent)


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
