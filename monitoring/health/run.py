"""Runs checks side by side, each in a thread with its own time limit: one that hangs delays nobody."""

import time
from collections.abc import Callable, Iterable
from threading import Event, Thread

from celery.app import app_or_default

from monitoring.health.registry import Check
from monitoring.health.verdict import CheckResult, Degraded, Status
from orchestrator import redaction
from orchestrator.errors import OmniNodeError

_SENTENCE_LENGTH = 300
# By check: what was given up and still runs. It is not started a second time, or threads would pile up.
_given_up: dict[str, "_Attempt"] = {}


def run(
    checks: Iterable[Check],
    timeout_seconds: float | None = None,
    clock: Callable[[], float] = time.time,
    timer: Callable[[], float] = time.perf_counter,
) -> list[CheckResult]:
    """Run all of them now; takes as long as the slowest, at most the longest time limit.

    Args:
        checks: what to run.
        timeout_seconds: the limit of every check, instead of its own.
        clock: says when a check was made, in Unix seconds.
        timer: measures latencies, in seconds.
    """
    attempts = [_attempt(check, timeout_seconds or check.timeout_seconds, timer) for check in checks]
    now = clock()
    return [
        CheckResult(attempt.check.name, *attempt.verdict(), now, attempt.check.critical)
        for attempt in attempts
    ]


def _attempt(check: Check, limit_seconds: float, timer: Callable[[], float]) -> "_Attempt":
    hanging = _given_up.get(check.name)
    if hanging and hanging.is_alive():
        return hanging
    _given_up.pop(check.name, None)
    attempt = _Attempt(check, limit_seconds, timer)
    attempt.start()
    return attempt


class _Attempt(Thread):
    """One run of one check, in a thread that keeps no process alive."""

    def __init__(self, check: Check, limit_seconds: float, timer: Callable[[], float]) -> None:
        super().__init__(name=f"health-{check.name}", daemon=True)
        self.check = check
        self._limit_seconds = limit_seconds
        self._timer = timer
        # Celery keeps its current app per thread: a check must find the one of its caller.
        self._app = app_or_default()
        self._started_at = timer()
        self._ended = Event()
        self._status: Status = "healthy"
        self._sentence = "works"
        self._latency_seconds = 0.0

    def run(self) -> None:
        self._app.set_current()
        try:
            self._status, self._sentence = _understand(self.check.probe())
        except BaseException as error:  # a check that calls sys.exit() is not healthy either
            self._status, self._sentence = "unhealthy", _say(error)
        self._latency_seconds = self._timer() - self._started_at
        self._ended.set()

    def verdict(self) -> tuple[Status, float, str]:
        """Status, latency in seconds and sentence, as soon as they are known or the time is up."""
        waited = self._timer() - self._started_at
        if self._ended.wait(max(0.0, self._limit_seconds - waited)):
            return self._status, self._latency_seconds, _shorten(self._sentence)
        _given_up[self.check.name] = self
        waited = self._timer() - self._started_at
        return "unhealthy", waited, f"did not answer within {max(self._limit_seconds, int(waited)):g} s"


def _understand(answer: object) -> tuple[Status, str]:
    if answer is None:
        return "healthy", "works"
    if isinstance(answer, str):
        return "healthy", answer
    if isinstance(answer, Degraded):
        return "degraded", answer.sentence
    return "unhealthy", f"returned {answer!r}; a check returns None, a sentence or Degraded, or raises"


def _say(error: BaseException) -> str:
    if isinstance(error, OmniNodeError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _shorten(sentence: str) -> str:
    line = " ".join(redaction.text(sentence).split())
    return line if len(line) <= _SENTENCE_LENGTH else f"{line[: _SENTENCE_LENGTH - 1]}…"
