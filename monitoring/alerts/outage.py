"""A time without an answer of the broker's Redis: nothing can be raised then, and it is told afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitoring.judging.health import Reason
from orchestrator import times
from orchestrator.alerts import record


@dataclass(frozen=True)
class Outage:
    """From the first question without an answer to the next answer (None: there was none yet).

    Moments are seconds of a clock that only grows.
    """

    began: float
    ended: float | None = None

    def goes_on(self) -> Outage:
        """It still does not answer, or again not before it could be told."""
        return replace(self, ended=None)

    def is_over(self, now: float) -> Outage:
        """It answers, at the latest since now."""
        return self if self.ended is not None else replace(self, ended=now)

    def reason(self) -> Reason:
        """What is told of one that is over."""
        length = times.length((self.ended or self.began) - self.began)
        sentence = f"the broker's Redis did not answer for {length}: nothing was enqueued, begun or settled"
        return Reason("redis_away", "critical", sentence)

    def since(self, now: float, redis_now: datetime) -> str:
        """When it began, as records have it; `now` and `redis_now` are the same moment."""
        return record.stamp(redis_now - timedelta(seconds=now - self.began))
