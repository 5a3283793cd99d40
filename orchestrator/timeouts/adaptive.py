"""A timeout that follows how long an operation takes: twice the 99th percentile of its last thousand runs.

What is timed out is only known to have taken that long, so a timeout learnt from such runs would shrink
itself: twice the percentile leaves room to see longer ones, and where more than one run in a hundred was
timed out it is the longest allowed until that has passed.
"""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

from orchestrator.errors import InvalidTimeout
from orchestrator.timeouts import config

# What it is at the moment: learnt, or one of its bounds because of …
Source = Literal["too few samples", "timeouts", "floor", "minimum", "ceiling", "p99"]

WINDOW = 1000
LEAST_SAMPLES = 100
_TIMES_P99 = 2.0
_MOST_TIMEOUTS = 0.01
_WORDS: dict[Source, str] = {
    "too few samples": "the ceiling: fewer than {least} runs are known",
    "timeouts": "the ceiling: {rate:.1%} of the runs were timed out, more than 1%",
    "floor": "the floor: twice p99 is less",
    "minimum": "the minimum: twice p99 is less",
    "ceiling": "the ceiling: twice p99 is more",
    "p99": "twice p99",
}


class Adaptive:
    """The timeout of one operation, in seconds; any thread may ask, and tell how long a run took.

    It lies between `floor_seconds` and `ceiling_seconds`, and never below `minimum_seconds`. The figures that
    the constants are from: a lognormal distribution (s=.9) times out .1 % of its runs, and one whose latency
    triples is followed within a window.

    Raises:
        InvalidTimeout: a bound is no length of time, or the ceiling is not the largest of them.
    """

    def __init__(
        self,
        floor_seconds: float | timedelta,
        ceiling_seconds: float | timedelta,
        minimum_seconds: float | timedelta = 0.0,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.floor_seconds = config.seconds(floor_seconds, "floor_seconds")
        self.ceiling_seconds = config.seconds(ceiling_seconds, "ceiling_seconds")
        self.minimum_seconds = config.seconds(minimum_seconds, "minimum_seconds") if minimum_seconds else 0.0
        for name in ("floor_seconds", "minimum_seconds"):
            if getattr(self, name) > self.ceiling_seconds:
                raise InvalidTimeout(
                    f"{name}={getattr(self, name):g} must not be more than "
                    f"ceiling_seconds={self.ceiling_seconds:g}"
                )
        self._clock = clock
        self._lock = threading.Lock()
        self._runs: deque[tuple[float, bool]] = deque()
        self._sorted: list[float] = []
        self._timeouts = 0
        self._seconds = self.ceiling_seconds
        self._source: Source = "too few samples"
        self._since = clock()

    def seconds(self) -> float:
        """How long the next run may take."""
        return self._seconds

    def observe(self, duration_seconds: float, timed_out: bool) -> None:  # noqa: FBT001 (it reads well by name)
        """A run took so long; one that was timed out would have taken longer.

        Raises:
            InvalidTimeout: the duration is negative, or no finite number.
        """
        if not 0.0 <= duration_seconds < math.inf:
            raise InvalidTimeout(
                f"duration_seconds={duration_seconds!r} must be a number of seconds, 0 or more"
            )
        timed_out = bool(timed_out)
        with self._lock:
            self._runs.append((duration_seconds, timed_out))
            insort(self._sorted, duration_seconds)
            self._timeouts += timed_out
            if len(self._runs) > WINDOW:
                oldest, was_timed_out = self._runs.popleft()
                del self._sorted[bisect_left(self._sorted, oldest)]
                self._timeouts -= was_timed_out
            self._decide()

    def explained(self) -> dict[str, Any]:
        """What it is, why, and since when (Unix seconds) for that reason; ready for JSON."""
        with self._lock:
            samples = len(self._sorted)
            rate = self._timeouts / samples if samples else 0.0
            return {
                "seconds": self._seconds,
                "source": self._source,
                "why": _WORDS[self._source].format(least=LEAST_SAMPLES, rate=rate),
                "since": self._since,
                "p99_seconds": self._p99() if samples else None,
                "samples": samples,
                "timeout_rate": rate,
                "floor_seconds": self.floor_seconds,
                "ceiling_seconds": self.ceiling_seconds,
                "minimum_seconds": self.minimum_seconds,
            }

    def _decide(self) -> None:
        samples = len(self._sorted)
        if samples < LEAST_SAMPLES:
            return
        if self._timeouts > _MOST_TIMEOUTS * samples:
            self._become("timeouts", self.ceiling_seconds)
            return
        learnt = _TIMES_P99 * self._p99()
        if learnt > self.ceiling_seconds:
            self._become("ceiling", self.ceiling_seconds)
        elif learnt < self.minimum_seconds and self.minimum_seconds >= self.floor_seconds:
            self._become("minimum", self.minimum_seconds)
        elif learnt < self.floor_seconds:
            self._become("floor", self.floor_seconds)
        else:
            self._become("p99", learnt)

    def _become(self, source: Source, seconds: float) -> None:
        self._seconds = seconds
        if source != self._source:
            self._source, self._since = source, self._clock()

    def _p99(self) -> float:
        """The least run that 99 of 100 do not exceed."""
        samples = len(self._sorted)
        return self._sorted[samples - samples // 100 - 1]
