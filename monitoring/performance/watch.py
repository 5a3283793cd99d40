"""What a monitor has seen of its health: samples, interval by interval, and the alerts that follow."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from monitoring.judging.health import Health
from monitoring.performance.alerts import Alert, Alerts
from monitoring.performance.sampler import Sampler
from monitoring.performance.samples import Sample, sample

_MOST_SAMPLES = 60


class Watch:
    """That of one monitor. A forked child has one of its own, which watches nothing.

    `clock` in seconds that only grow, `wall` in Unix seconds.
    """

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._clock = clock
        self._wall = wall
        self._sampler: Sampler | None = None
        self._samples: deque[Sample] = deque(maxlen=_MOST_SAMPLES)
        self._alerts = Alerts()
        # A signal's handler may ask while its thread looks: it is shown what there is.
        self._looking = threading.RLock()
        self._is_looking = False
        self._looked_at = clock()

    @property
    def samples(self) -> list[Sample]:
        """The last sixty, the oldest first."""
        return list(self._samples)

    @property
    def alerts(self) -> list[Alert]:
        """Those that are raised, the worst first."""
        return list(self._alerts)

    def start(self, look: Callable[[], object], interval_seconds: float) -> None:
        """Have `look` called now, and each interval; once is enough."""
        if self._sampler is None:
            self._sampler = Sampler(look, interval_seconds)
            self._sampler.start()

    def stop(self) -> None:
        """Have it called no more; waits for a look that is under way."""
        sampler, self._sampler = self._sampler, None
        if sampler:
            sampler.stop()

    def take(self, health: Health, own: Health) -> None:
        """Take a sample of this health, and raise or clear alerts by what the monitor has judged itself."""
        self._samples.append(sample(health, self._wall()))
        self._look(own, may_clear=True)

    def ask(self, health: Health, interval_seconds: float) -> None:
        """Somebody asks how things are: raise what there is to alert of.

        However often that is, it clears no alert sooner than samples would: where none are taken, being asked
        counts as one once an interval.
        """
        is_due = self._sampler is None and self._clock() - self._looked_at >= interval_seconds
        self._look(health, may_clear=is_due)

    def _look(self, health: Health, *, may_clear: bool) -> None:
        with self._looking:
            if self._is_looking:
                return
            self._is_looking = True
            try:
                if may_clear:
                    self._looked_at = self._clock()
                self._alerts.look(health.reasons, self._wall(), may_clear=may_clear)
            finally:
                self._is_looking = False
