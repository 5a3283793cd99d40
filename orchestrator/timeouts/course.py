"""What an operation goes through: its warning, its limit, its end, and what leaves it when that was late."""

from __future__ import annotations

from asyncio import CancelledError

from orchestrator.timeouts import telling
from orchestrator.timeouts.operation import END, ENDED_AT, LIMIT, WARN, Operation
from orchestrator.timeouts.warning import OnWarning

# What is told to stop and does not is told again so often.
AGAIN_SECONDS = 1.0
# What cannot be told now: it is about to begin or to end.
_SOON_SECONDS = 0.001


class Course(Operation):
    """An operation whose time runs; what is derived from it says how it is told to stop."""

    __slots__ = ("_times_told",)

    def strike(self) -> bool:
        """Tell it to stop; False where that cannot be at this moment, but soon."""
        raise NotImplementedError

    def call_back(self, callback: OnWarning) -> None:
        """Call whoever wants to be warned."""
        raise NotImplementedError

    def advance(self) -> float | None:
        """Do what is due now; returns when the next thing is, None where there is none."""
        if self.is_over:
            return None
        if self.stage == WARN:
            self.stage = LIMIT if self.limit_at < self.ends_at else END
            self._warn()
            return self.limit_at
        if self.stage == LIMIT:
            self.stage, self.state = END, "grace"
            return self.ends_at
        return self._stop()

    def end_late(self, error: BaseException | None, now: float, *, is_its_own: bool) -> None:
        """It was left with this error when its time was over; `is_its_own`: not cancelled from outside.

        Raises:
            TimeoutExceeded: whatever it was left with, unless that says so already, or is to go on.
        """
        is_cancelled = isinstance(error, CancelledError)
        if is_cancelled and not is_its_own:
            telling.ended(self, error, now)
            return
        ended_at = getattr(error, ENDED_AT, None)
        is_of_earlier = ended_at is not None and ended_at < self.ends_at
        if is_of_earlier or not (error is None or is_cancelled or isinstance(error, Exception)):
            telling.ended(self, error, now)
            return
        telling.timed_out(self, now)
        if ended_at == self.ends_at or (is_cancelled and self._is_around_told()):
            return
        raise self.exceeded() from error

    def _is_around_told(self) -> bool:
        """Whether the one around it, which ends with it, is told to stop in the same place."""
        return self.is_following and self.parent is not None and not self.parent.is_over

    def _stop(self) -> float | None:
        if self._is_around_told():
            self.state = "stopping"
            return None
        if self.state != "stopping":
            self.state, self._times_told = "stopping", 0
            telling.struck(self)
        if not self.strike():
            return self.clock() + _SOON_SECONDS
        self._times_told += 1
        if self._times_told == 2:  # noqa: PLR2004 (once)
            telling.ignored(self.name, self.elapsed_seconds)
        return self.clock() + AGAIN_SECONDS

    def _warn(self) -> None:
        telling.near(self)
        callback = self.on_warning or self.terms.on_warning
        if callback is not None:
            self.call_back(callback)
