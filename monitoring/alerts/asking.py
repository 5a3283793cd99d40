"""What a look finds: the fleet is judged at the limits, and at four fifths of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from monitoring.alerts.hysteresis import Found
from monitoring.alerts.rules import by_name, rule_of
from monitoring.fleet.figures import Fleet
from monitoring.fleet.gather import gather
from monitoring.fleet.verdict import judge_fleet
from monitoring.judging.health import Health, Reason
from monitoring.judging.thresholds import Thresholds
from monitoring.recording.source import Source
from monitoring.recording.sums import Snapshot
from orchestrator.settings import Settings

# What was raised is cleared below so much of its limit: a figure that trembles around it is one alert.
_CLEARED_BELOW = 0.8
# A fleet may have ten thousand circuits, and people cannot read as many alerts.
_MOST_ALERTS = 1000
_LIMITS = (
    "perf_monitor_error_threshold",
    "perf_monitor_response_threshold",
    "alert_queue_age_seconds",
    "alert_breaker_open_seconds",
)


@dataclass(frozen=True)
class Asked:
    """What is measured, and what the fleet's servers say of themselves."""

    snapshot: Snapshot
    fleet: Fleet

    @property
    def unknown(self) -> dict[str, str]:
        """The parts that could not be found out, and why."""
        metrics = {"metrics": self.snapshot.trouble} if self.snapshot.trouble else {}
        return {**self.fleet.unknown, **metrics}


def ask(settings: Settings, source: Source) -> Asked:
    """Ask all servers; one that is away hides no other. The sums are those of `source`."""
    return Asked(source.snapshot(), gather(settings))


def verdict(asked: Asked, settings: Settings) -> Health:
    """What it means, at these limits."""
    return judge_fleet(asked.snapshot, asked.fleet, _thresholds(settings), settings)


def found(asked: Asked, health: Health, settings: Settings, *, counts: bool) -> Found:
    """The alerts that follow from it, whose health is this; where there are too many, the worst thousand."""
    lower = settings.model_copy(
        update={name: getattr(settings, name) * _CLEARED_BELOW for name in _LIMITS},
    )
    at = dict(islice(_alerts(asked, health).items(), _MOST_ALERTS))
    return Found(at, _alerts(asked, verdict(asked, lower)), frozenset(asked.unknown), counts)


def _alerts(asked: Asked, health: Health) -> dict[str, Reason]:
    """By name, the worst first. Where sums are unknown, those of this process say nothing of the fleet."""
    return {
        name: reason
        for name, reason in by_name(health.reasons).items()
        if (rule := rule_of(name)) and not rule.parts & asked.unknown.keys()
    }


def _thresholds(settings: Settings) -> Thresholds:
    return Thresholds(
        retention_hours=settings.perf_monitor_retention_hours,
        sampling_seconds=settings.perf_monitor_sampling_interval,
        error_percent=settings.perf_monitor_error_threshold,
        response_ms=settings.perf_monitor_response_threshold,
    )
