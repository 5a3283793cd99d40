"""What is known of the fleet at a moment, each part by itself: what could not be found out is None."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from monitoring.judging.health import Health, judge
from monitoring.judging.surroundings import Surroundings, of_this_process
from monitoring.judging.thresholds import Thresholds
from monitoring.recording.sums import Snapshot, Sums
from monitoring.rollup import processes
from monitoring.rollup.processes import Process
from orchestrator.alerts.standing import Standing

METRICS, PROCESSES, ALERTS = "metrics", "processes", "alerts"


@dataclass(frozen=True)
class Figures:
    """Sums, processes and alerts; `unknown` says of each part that is None why it is."""

    snapshot: Snapshot | None
    processes: tuple[Process, ...] | None
    standing: Standing | None
    unknown: Mapping[str, str]
    thresholds: Thresholds

    @cached_property
    def health(self) -> Health:
        """The verdict on all of it."""
        return judge(self.snapshot or Snapshot(0, 0.0), self.thresholds, self.surroundings)

    @property
    def surroundings(self) -> Surroundings:
        """Connections and memory of all processes that have told of themselves, and of this one."""
        if self.processes is None:
            return Surroundings()
        return processes.surroundings(self.processes, of_this_process())

    @property
    def sums(self) -> Sums:
        """All since the beginning; none where they are not known."""
        return self.snapshot.total if self.snapshot else Sums()

    def parts(self) -> Iterator[str]:
        """The names of all parts."""
        yield from (METRICS, PROCESSES, ALERTS)

    def health_as_json(self) -> dict[str, Any]:
        """As the monitor's `get_system_health`; null is what is not known, and `unknown` says why."""
        told = self.health.as_json() | {"unknown": dict(self.unknown)}
        if METRICS in self.unknown:
            told |= dict.fromkeys(("uptime_seconds", "error_rate_percent", "average_response_time_ms"))
        if PROCESSES in self.unknown:
            told |= dict.fromkeys(("active_connections", "memory_usage_bytes"))
        return told
