"""What this process knows of a breaker, and since when: the lengths in a state run from its reading on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.breaker.state import Mode, State


@dataclass(frozen=True, slots=True)
class View:
    """A state, and when it was read on this process's monotonic clock, as all moments here."""

    state: State
    at: float

    def left(self, now: float) -> float:
        """How many seconds are left of the open time, or of the lease that is waited for."""
        return max(0.0, self.state.left_seconds - (now - self.at))

    def ramp_left(self, now: float) -> float:
        """How many seconds are left of the ramp."""
        return max(0.0, self.state.ramp_left_seconds - (now - self.at))

    def mode(self, now: float) -> Mode:
        """The mode, as long as it holds."""
        left = self.state.mode_left_seconds
        return "auto" if left is not None and now - self.at >= left else self.state.mode

    def mode_left(self, now: float) -> float | None:
        """How many seconds the mode still holds; None: until somebody changes it."""
        left = self.state.mode_left_seconds
        return None if left is None else max(0.0, left - (now - self.at))

    def state_at(self, now: float) -> State:
        """The state as it is now."""
        mode = self.mode(now)
        return replace(
            self.state,
            left_seconds=self.left(now),
            ramp_left_seconds=self.ramp_left(now),
            mode=mode,
            mode_left_seconds=self.mode_left(now) if mode != "auto" else None,
        )

    def is_clean(self, now: float) -> bool:
        """Whether a call needs nothing but to be made."""
        state = self.state
        return state.is_clean or self.state_at(now).is_clean

    def is_lost_in(self, fresh: State, now: float) -> bool:
        """Whether Redis has lost what is seen here (it was flushed, or one that was behind has taken over).

        That matters where calls would be let through that are held back: it is given back to Redis then.
        """
        seen = self.state
        is_open = seen.circuit == "open" and fresh.circuit == "closed" and self.left(now) > 0
        is_set = fresh.mode == "auto" and self.mode(now) != "auto"
        if not is_open and not is_set:
            return False
        if fresh.born == seen.born:
            return fresh.version < seen.version
        return fresh.epoch == 0 or fresh.epoch < seen.epoch
