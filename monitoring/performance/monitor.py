"""The performance monitor: records what a process does, and says how things are in the fleet."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from monitoring.judging.health import Health, judge
from monitoring.judging.surroundings import Surroundings, of_this_process
from monitoring.judging.thresholds import Given, Thresholds
from monitoring.performance import dashboard, fleetwide, sharing
from monitoring.performance.watch import Watch
from monitoring.recording.listening import listener
from monitoring.recording.recorder import Recorder
from monitoring.recording.source import Source
from monitoring.recording.sums import Snapshot
from monitoring.rollup import process
from monitoring.rollup.reading import Seen
from orchestrator import events


class PerformanceMonitor:
    """Sums of what the fleet's processes record, and what follows; the settings say what is not given.

    What is recorded here, others' dashboards show a second later, and this one at once. To make one, or to
    record, waits for no server; reading does for a second. While Redis is away the figures are those of this
    process alone, which health and dashboard say, and what is recorded is written when it is back. Health and
    alerts are the fleet's where somebody looks at it (`omninode exporter`, beat), or else follow from sums.

    Nothing runs before the first record and `start`, which only samples, and alerts that nobody asks for,
    need. Every method may be called from any thread; a forked child goes on.

    Args:
        metrics_retention_hours: how long what was measured stays in the dashboard; of a shared one, the
            setting of who puts the fleet's minutes together is what counts.
        sampling_interval_seconds: how often a sample is taken, and alerts are raised or cleared.
        alert_threshold_error_rate: above which percentage of errors health is degraded; critical at twice it.
        alert_threshold_response_time_ms: above which average or p95 of a component health is degraded.
        shared: False keeps to what is recorded here, with sums of this monitor's own.
        source: where the sums are read that are told, instead; what is recorded here is then not shared.
        clock: seconds that only grow.
        wall: Unix seconds.
        surroundings: finds out about memory, connections and circuits.
        listens: whether it counts the events of this process from now on, or only from `start` on.

    Raises:
        InvalidMeasure: an argument is out of its range.
    """

    def __init__(
        self,
        metrics_retention_hours: float | None = None,
        sampling_interval_seconds: float | None = None,
        alert_threshold_error_rate: float | None = None,
        alert_threshold_response_time_ms: float | None = None,
        *,
        shared: bool = True,
        source: Source | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        surroundings: Callable[[], Surroundings] | None = None,
        listens: bool = True,
    ) -> None:
        self._given = Given(
            metrics_retention_hours,
            sampling_interval_seconds,
            alert_threshold_error_rate,
            alert_threshold_response_time_ms,
        )
        given = self._given
        self._clock, self._wall = clock, wall
        self._surroundings = surroundings
        self._shared = sharing.shared if shared and source is None else None
        self.recorder = (
            process.recorder
            if self._shared
            else Recorder(lambda: given.resolved().retention_hours, clock, wall)
        )
        self._source: Source = source or self._shared or self.recorder
        self.record = self.recorder.record
        self._listening: weakref.finalize[Any, Any] | None = None
        self._begin_anew()
        _monitors.add(self)
        if listens:
            self._listen()

    @property
    def thresholds(self) -> Thresholds:
        """What it goes by: what it was given, or what the settings say now."""
        return self._given.resolved()

    # -- recording

    async def record_performance_metric(
        self,
        component: str,
        operation: str,
        duration_ms: float,
        success: bool,  # noqa: FBT001
        error_type: str | None = None,
    ) -> None:
        """A call of `component` has ended, after so many milliseconds; waits for nothing. Also as `record`.

        Raises:
            InvalidMeasure: see `Recorder.record`.
        """
        self.record(component, operation, duration_ms, success, error_type)

    async def record_resilience_event(self, event_type: str, component: str, **more: Any) -> None:
        """One of `KINDS` has happened; `topic=` says where a dead letter goes. Also as `record_event`.

        Raises:
            InvalidMeasure: there is no such event.
        """
        self.record_event(event_type, component, **more)

    def record_event(self, event_type: str, component: str, topic: str | None = None, **_more: Any) -> None:
        """`record_resilience_event`, for code that is not asynchronous; what else is known is not counted."""
        self.recorder.record_event(event_type, component, topic)

    # -- reading: each of them in a thread, as a source may have to ask, and a long text takes a while

    async def get_performance_dashboard(self) -> dict[str, Any]:
        """`{"system_health", "resilience_metrics", "component_performance", "alerts", "samples", …}`.

        `system_health` is that of the last five minutes, the rest of all that is kept. Alerts are raised here
        too, not only by the next sample.
        """
        return await asyncio.to_thread(self.dashboard)

    async def get_system_health(self) -> dict[str, Any]:
        """`{"status", "reasons", "uptime_seconds", "error_rate_percent", "average_response_time_ms", …}`."""
        return await asyncio.to_thread(self.health)

    async def get_prometheus_metrics(self) -> str:
        """All ten metrics in Prometheus' text format, since the fleet, or this process, began."""
        return await asyncio.to_thread(self.prometheus)

    def dashboard(self) -> dict[str, Any]:
        """`get_performance_dashboard`, for code that is not asynchronous."""
        seen = self._seen()
        health, own = self._asked(seen), self._watch.alerts
        told = dashboard.dashboard(seen.snapshot, health, own, self._wall(), self._watch.samples)
        if seen.standing is None:
            return told
        # Where somebody looks at the fleet, only own thresholds can have own alerts follow.
        shown = own if seen.verdict is None or self._given.has_limits else ()
        return told | {"alerts": fleetwide.alerts(seen.standing, shown)}

    def health(self) -> dict[str, Any]:
        """`get_system_health`, for code that is not asynchronous."""
        seen = self._seen()
        return self._asked(seen).as_json() | {"trouble": seen.snapshot.trouble or None}

    def prometheus(self) -> str:
        """`get_prometheus_metrics`, for code that is not asynchronous."""
        # Not before it is asked for: whoever only records does not load it.
        from monitoring.performance import prometheus  # noqa: PLC0415

        seen = self._seen()
        return prometheus.text(
            seen.snapshot.total, fleetwide.judged(self._judged(seen.snapshot), seen.verdict)
        )

    # -- watching

    def start(self) -> None:
        """Listen to the events of this process, and look at its health each interval; once is enough."""
        with self._starting:
            self._listen()
            self._watch.start(self.look, self.thresholds.sampling_seconds)

    def stop(self) -> None:
        """Do neither any more; what was recorded stays."""
        with self._starting:
            listening, self._listening = self._listening, None
        if listening:
            listening()
        self._watch.stop()

    def look(self) -> None:
        """Take one sample, and raise or clear alerts."""
        seen = self._seen()
        own = self._judged(seen.snapshot)
        self._watch.take(fleetwide.judged(own, seen.verdict), own)

    def after_fork(self) -> None:
        """This is a forked child: nothing was recorded in it, and no thread of it looks."""
        if not self._shared:
            self.recorder.forget()
        self._begin_anew()

    def _listen(self) -> None:
        if self._listening is None:
            # One that nobody holds any more is not told either.
            hears_no_more = process.hear() if self._shared else events.attach(listener(self.recorder))
            self._listening = weakref.finalize(self, hears_no_more)
            self._listening.atexit = False

    def _begin_anew(self) -> None:
        self._starting = threading.Lock()
        self._watch = Watch(self._clock, self._wall)

    def _seen(self) -> Seen:
        return self._shared.seen() if self._shared else Seen(self._source.snapshot())

    def _judged(self, snapshot: Snapshot) -> Health:
        return judge(snapshot, self.thresholds, self._around(snapshot))

    def _around(self, snapshot: Snapshot) -> Surroundings:
        if self._surroundings:
            return self._surroundings()
        return self._shared.surroundings(snapshot) if self._shared else of_this_process()

    def _asked(self, seen: Seen) -> Health:
        own = self._judged(seen.snapshot)
        self._watch.ask(own, self.thresholds.sampling_seconds)
        return fleetwide.judged(own, seen.verdict)


def _after_fork() -> None:
    for monitor in list(_monitors):
        monitor.after_fork()


_monitors: weakref.WeakSet[PerformanceMonitor] = weakref.WeakSet()
os.register_at_fork(after_in_child=_after_fork)
