"""A monitor on a clock that is moved by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from monitoring.judging.surroundings import Surroundings
from monitoring.performance import PerformanceMonitor

# The beginning of a minute, and of a quarter of an hour.
BEGAN = 1_800_000_000.0


@dataclass
class Clock:
    """Seconds, which begin at 0."""

    now: float = 0.0

    def seconds(self) -> float:
        return self.now

    def unix(self) -> float:
        return BEGAN + self.now


@dataclass
class Driven:
    """The monitor and what it is surrounded by."""

    given: dict[str, Any] = field(default_factory=dict)
    around: Surroundings = field(default_factory=lambda: Surroundings(memory_bytes=1))

    def __post_init__(self) -> None:
        self.clock = Clock()
        fixed: dict[str, Any] = {
            "metrics_retention_hours": 24,
            "sampling_interval_seconds": 60,
            "alert_threshold_error_rate": 5,
            "alert_threshold_response_time_ms": 5000,
        }
        self.monitor = PerformanceMonitor(
            **(fixed | self.given),
            shared=False,
            clock=self.clock.seconds,
            wall=self.clock.unix,
            surroundings=lambda: self.around,
        )

    def call(
        self, successes: int = 0, failures: int = 0, *, component: str = "shop", ms: float = 100.0
    ) -> None:
        for number in range(successes + failures):
            self.monitor.record(component, "order", ms, number < successes, "KeyError")

    @property
    def status(self) -> str:
        return str(self.monitor.health()["status"])

    @property
    def alerts(self) -> dict[str, str]:
        return {alert["name"]: alert["severity"] for alert in self.monitor.dashboard()["alerts"]}

    @property
    def components(self) -> list[str]:
        return list(self.monitor.dashboard()["component_performance"])
