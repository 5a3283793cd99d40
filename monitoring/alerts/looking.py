"""A look at the fleet: what is found is raised or cleared, and told to whoever wants to be told."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from redis.exceptions import RedisError

from monitoring.alerts import asking, hysteresis
from monitoring.alerts.delivering import deliver
from monitoring.alerts.outage import Outage
from monitoring.alerts.turn import Looks, remember, remembered, turn
from monitoring.recording.source import Source
from monitoring.rollup import verdicts
from monitoring.rollup.reading import FleetSource
from orchestrator import broker, forks, logger
from orchestrator.alerts import changing
from orchestrator.alerts.changing import Change
from orchestrator.alerts.store import Store
from orchestrator.schedule import FOLDING_SECONDS
from orchestrator.settings import Settings

_LOG = logger.get(__name__)
_STOP_SECONDS = 10.0
# So long the broker's Redis may take over one answer, and it is asked once: one that is frozen is soon known.
_ANSWER_SECONDS = 1.5
# However seldom samples are taken: an exporter looks all the time, and what is over is cleared in time.
_LONGEST_INTERVAL_SECONDS = 300.0
# What a look has found is shown until so many further ones should have been made.
_LASTS_LOOKS, _LEAST_LASTS_SECONDS = 3, 30.0


@dataclass(frozen=True)
class Looked:
    """What a look has changed. `is_judged`: it was its turn.

    `unknown` says what could not be found out, `trouble` what keeps alerts from being delivered, and why.
    """

    is_judged: bool
    changes: tuple[Change, ...] = ()
    unknown: dict[str, str] = field(default_factory=dict)
    trouble: str = ""

    def names(self, event: changing.Event) -> list[str]:
        """Of which alerts this was told."""
        return [each.name for each in self.changes if each.event == event]


def look_once(
    settings: Settings, outage: Outage | None = None, source: Source | None = None, who: str = ""
) -> Looked:
    """Ask the fleet, judge, raise and clear alerts, and deliver what was not delivered yet.

    Where another process looks at the moment, it judges nothing. `outage` is one that the looks before have
    met, and that is over if this one gets an answer; `source` has the fleet's sums, and `who` has the turn:
    one that looks again and again names both.

    Raises:
        redis.exceptions.RedisError: the broker's Redis does not answer.
    """
    with broker.client(settings, decode=True, timeout_seconds=_ANSWER_SECONDS, retries=0) as client:
        with turn(client, settings.key_prefix, who) as is_ours:
            looked = (
                _judge(settings, client, outage, source or FleetSource(settings))
                if is_ours
                else Looked(is_judged=False)
            )
        # Whoever looks next need not wait for a destination that does not answer.
        return replace(looked, trouble=deliver(settings, client).trouble)


def _judge(settings: Settings, client: Any, outage: Outage | None, source: Source) -> Looked:
    prefix, store = settings.key_prefix, Store(client, settings.key_prefix)
    over = outage and outage.is_over(time.monotonic())
    # Before the records are read: what changes while servers are asked is not overlooked.
    asked = asking.ask(settings, source)
    health = asking.verdict(asked, settings)
    verdicts.store(client, health, _lasts_seconds(settings), prefix)
    standing, looks = store.read(), remembered(client, prefix)
    interval_seconds = min(settings.perf_monitor_sampling_interval, _LONGEST_INTERVAL_SECONDS)
    counts = looks.counts(standing.now, interval_seconds)
    found = asking.found(asked, health, settings, counts=counts)
    if over:
        found = found.with_past(over.reason(), over.since(time.monotonic(), standing.now))
    wanted = [*hysteresis.changes(standing, found, looks.waiting), *changing.forgotten(standing)]
    done = store.apply(standing, wanted)
    waiting = hysteresis.still_waiting(standing, found, looks.waiting)
    remember(client, Looks(standing.stamp if counts else looks.counted_at, waiting), prefix)
    return Looked(is_judged=True, changes=tuple(done), unknown=asked.unknown)


def _lasts_seconds(settings: Settings) -> float:
    """For how long a look is the last word, unless another one follows."""
    return max(
        _LEAST_LASTS_SECONDS, _LASTS_LOOKS * min(settings.perf_monitor_sampling_interval, FOLDING_SECONDS)
    )


class Looker:
    """Looks now, and then every so many seconds, in a thread that keeps no process alive.

    Where the broker's Redis does not answer nothing can be raised: it is as soon as it answers again.
    """

    def __init__(self, settings: Settings, every_seconds: float) -> None:
        self._settings = settings
        self._source = FleetSource(settings)
        self._who = uuid4().hex
        self._every_seconds = min(every_seconds, threading.TIMEOUT_MAX)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="omninode-alerts", daemon=True)
        self._outage: Outage | None = None
        self._error = ""

    @property
    def error(self) -> str:
        """Why the last look has failed; empty where it has not."""
        return self._error

    def start(self) -> None:
        """Begin."""
        forks.keep_apart()
        self._thread.start()

    def stop(self) -> None:
        """End; waits for a look that is under way, but not for ever."""
        self._is_over.set()
        self._thread.join(_STOP_SECONDS)

    def look(self) -> None:
        """One look; never raises."""
        began = time.monotonic()
        try:
            looked = look_once(self._settings, self._outage, self._source, self._who)
        except (RedisError, OSError) as error:
            self._outage = (self._outage or Outage(began)).goes_on()
            self._failed(f"the broker's Redis does not answer: {error}")
        except Exception as error:
            # One look has failed: the next one may not.
            self._failed(f"{type(error).__name__}: {error}")
        else:
            # Where another one judges at the moment it is still to be told.
            self._outage = (
                None if looked.is_judged else self._outage and self._outage.is_over(time.monotonic())
            )
            if self._error:
                self._error = ""
                _LOG.tell("info", "alerts_are_judged_again")

    def _failed(self, error: str) -> None:
        if not self._error:
            _LOG.tell("warning", "alerts_are_not_judged", error=error)
        self._error = error

    def _run(self) -> None:
        while True:
            with forks.threads_at_work():
                self.look()
            if self._is_over.wait(self._every_seconds):
                return
