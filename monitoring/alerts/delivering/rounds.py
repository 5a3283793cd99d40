"""A round: every destination at the same time, each in a thread of its own, and all within a time limit."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock, Thread

from redis import Redis

from monitoring.alerts.delivering import destinations
from monitoring.alerts.delivering.courier import Courier, Report
from monitoring.alerts.delivering.destination import Destination
from orchestrator import redaction
from orchestrator.settings import Settings

# After the first nothing new is sent, after the second nothing is waited for.
_SENDS_SECONDS, _MOST_SECONDS = 5.0, 9.5


@dataclass(frozen=True)
class Delivered:
    """What became of a round, by destination."""

    reports: tuple[Report, ...]

    @property
    def trouble(self) -> str:
        """What went wrong, in a sentence; empty where nothing did."""
        return "; ".join(f"{each.destination}: {each.trouble}" for each in self.reports if each.trouble)


def deliver(settings: Settings, client: Redis) -> Delivered:
    """Tell every destination what it has not heard yet; in ten seconds at the most, and it raises nothing.

    `client` is of the broker's Redis and answers with text. What is not told by then, or because Redis
    is away, is told in the next round.
    """
    now = time.monotonic()
    rounds = [_Round(settings, client, name, now + _SENDS_SECONDS) for name in destinations.names(settings)]
    for each in rounds:
        each.begin()
    return Delivered(tuple(each.end(now + _MOST_SECONDS) for each in rounds))


class _Round:
    def __init__(self, settings: Settings, client: Redis, name: str, sends_until: float) -> None:
        self._settings, self._client, self._name = settings, client, name
        self._sends_until = sends_until
        self._destination: Destination | None = None
        self._courier: Courier | None = None
        self._trouble = ""
        self._thread = Thread(target=self._go, name=f"omninode-alerts-{name}", daemon=True)

    def begin(self) -> None:
        # One that hangs is not joined by another each minute.
        with _lock:
            before = _at_work.get(self._name)
            if before is not None and before.is_alive():
                self._trouble = "the round before has not ended yet"
                return
            _at_work[self._name] = self._thread
            self._thread.start()

    def end(self, until: float) -> Report:
        if not self._trouble:
            self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            self._trouble = "it takes too long to answer"
            if self._destination is not None:
                # What waits for a byte now and then ends with the connection.
                self._destination.close()
        report = self._courier.report if self._courier else Report(self._name)
        if not self._trouble:
            return report
        return Report(
            self._name, report.taken, report.refused, report.left_out, report.waiting, self._trouble
        )

    def _go(self) -> None:
        try:
            self._destination = destinations.make(self._settings, self._name)
            self._courier = Courier(
                self._destination, self._client, self._settings.key_prefix, self._sends_until
            )
            self._courier.go()
        except Exception as error:
            self._trouble = redaction.text(f"{type(error).__name__}: {error}")
        finally:
            if self._destination is not None:
                self._destination.close()


_lock = Lock()
_at_work: dict[str, Thread] = {}
