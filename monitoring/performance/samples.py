"""What the health was, interval by interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monitoring.judging.health import Health, Status
from orchestrator import times


@dataclass(frozen=True)
class Sample:
    """One look at it; `at` in Unix seconds."""

    at: float
    status: Status
    error_percent: float
    active_connections: int
    memory_bytes: int | None

    def as_json(self) -> dict[str, Any]:
        """As the dashboard shows it."""
        return {
            "at": times.iso(self.at),
            "status": self.status,
            "error_rate_percent": round(self.error_percent, 3),
            "active_connections": self.active_connections,
            "memory_usage_bytes": self.memory_bytes,
        }


def sample(health: Health, now: float) -> Sample:
    """The health as it is now."""
    around = health.surroundings
    connections = sum(around.connections.values())
    return Sample(now, health.status, health.error_percent, connections, around.memory_bytes)
