"""Tells the breaker `kafka` what the relay sees of Kafka; the relay itself waits by its own rules."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.breaker import breaker, builtin
from orchestrator.errors import BreakerOpen, KafkaUnavailable

# What an outage does to many letters at once is one failure, not many.
_EVERY_SECONDS = 5.0


class Telling:
    """For one thread. While the circuit is open nothing is told, until its time is over: then this probes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed_at = clock() - _EVERY_SECONDS

    @property
    def probe_is_due(self) -> bool:
        """Whether the circuit waits for somebody to find out that Kafka is back."""
        state = breaker(builtin.KAFKA).state
        return state.circuit != "closed" and state.left_seconds <= 0

    def took(self) -> None:
        """Kafka has taken letters, or has answered."""
        self._tell(None)

    def failed(self, error: str) -> None:
        """Kafka takes none now, or has not answered in time; told once in five seconds."""
        if self._clock() - self._failed_at >= _EVERY_SECONDS:
            self._failed_at = self._clock()
            self._tell(KafkaUnavailable(error))

    def _tell(self, error: KafkaUnavailable | None) -> None:
        try:
            permit = breaker(builtin.KAFKA).permit()
        except BreakerOpen:
            return
        permit.end(error)
