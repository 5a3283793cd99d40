"""One breaker of this process alone, for as long as Redis is away."""

from __future__ import annotations

import threading
from random import Random

from orchestrator.breaker import machine
from orchestrator.breaker.record import Record, adopted
from orchestrator.breaker.report import Report
from orchestrator.breaker.state import State
from orchestrator.policy import Policy


class Local:
    """The same policy and the same rules as the fleet's, on this process's monotonic clock (`now`, seconds).

    It goes on from the last state that was heard of the fleet's, so that a circuit which was open stays open.
    A forked child makes its own: a lock may have been held at the fork.
    """

    def __init__(self, policy: Policy, random: Random, state: State | None = None, now: float = 0.0) -> None:
        self._policy = policy
        self._random = random
        self._record = adopted(state, now) if state else Record()
        self._lock = threading.RLock()

    def admit(self, token: str, now: float) -> tuple[bool, State]:
        """Whether the call may be made; not closed only with a token, then a probe's lease."""
        with self._lock:
            self._record, permitted = machine.admit(self._record, self._policy, token, now)
            return permitted, self._state(now)

    def report(self, told: Report, now: float) -> State:
        """Count calls that have ended."""
        with self._lock:
            chance = self._random.random()
            self._record = machine.report(self._record, self._policy, told, now, chance)
            return self._state(now)

    def state(self, now: float) -> State:
        """Where it is now."""
        with self._lock:
            return self._state(now)

    def _state(self, now: float) -> State:
        return machine.view(self._record, self._policy, now)
