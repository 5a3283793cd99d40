"""What is known at a moment, each part by itself: what could not be found out is None, and it is said why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from monitoring.fleet.figures import PARTS as FLEET_PARTS
from monitoring.fleet.figures import Fleet
from monitoring.fleet.verdict import judge_fleet
from monitoring.judging.health import Health
from monitoring.judging.thresholds import Thresholds
from monitoring.performance import fleetwide
from monitoring.recording.sums import Snapshot, Sums
from orchestrator.alerts.standing import Standing
from orchestrator.settings import Settings

METRICS, ALERTS = "metrics", "alerts"
PARTS = (METRICS, ALERTS, *FLEET_PARTS)


@dataclass(frozen=True)
class Figures:
    """Sums, the fleet and its alerts; `unknown` says of each part that could not be found out why.

    Of a snapshot with trouble the figures are those of one process: they are none of the fleet's.
    """

    snapshot: Snapshot
    fleet: Fleet
    standing: Standing | None
    unknown: Mapping[str, str]
    thresholds: Thresholds
    settings: Settings

    @cached_property
    def health(self) -> Health:
        """The verdict on all of it."""
        known = Snapshot(self.snapshot.minute, 0.0, trouble=self.snapshot.trouble)
        snapshot = self.snapshot if self.knows_sums else known
        return judge_fleet(snapshot, self.fleet, self.thresholds, self.settings)

    @property
    def knows_sums(self) -> bool:
        """Whether the fleet's sums are known."""
        return METRICS not in self.unknown

    @property
    def sums(self) -> Sums:
        """All since the beginning; none where they are not known."""
        return self.snapshot.total if self.knows_sums else Sums()

    def alerts(self) -> list[dict[str, Any]] | None:
        """Those that are raised, by name, as the dashboard shows them; None where they are not known."""
        return None if self.standing is None else fleetwide.alerts(self.standing)

    def health_as_json(self) -> dict[str, Any]:
        """As the monitor's `get_system_health`; null is what is not known, and `unknown` says why."""
        told = self.health.as_json() | {"unknown": dict(self.unknown)}
        if not self.knows_sums:
            told |= dict.fromkeys(("uptime_seconds", "error_rate_percent", "average_response_time_ms"))
        if self.fleet.processes is None:
            told |= dict.fromkeys(("active_connections", "connections", "memory_usage_bytes"))
        return told
