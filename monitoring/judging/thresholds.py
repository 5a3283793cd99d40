"""What a monitor goes by: what it was given, or else what the settings say."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from orchestrator import settings
from orchestrator.errors import InvalidMeasure, SettingsError

_MOST = 315_360_000
_DEFAULTS = (24.0, 60.0, 5.0, 5000.0)


@dataclass(frozen=True)
class Thresholds:
    """How long sums are kept, how often they are looked at, and above what health is degraded."""

    retention_hours: float
    sampling_seconds: float
    error_percent: float
    response_ms: float


@dataclass(frozen=True)
class Given:
    """What a monitor's constructor was given; None is what the settings say.

    Raises:
        InvalidMeasure: one of them is out of its range.
    """

    metrics_retention_hours: float | None = None
    sampling_interval_seconds: float | None = None
    alert_threshold_error_rate: float | None = None
    alert_threshold_response_time_ms: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        for name, value in vars(self).items():
            is_rate = name == "alert_threshold_error_rate"
            if value is None or (_is_number(value) and (0 if is_rate else 1e-9) <= value <= _most(is_rate)):
                continue
            allowed = "a percentage from 0 to 100" if is_rate else f"a number above 0, up to {_MOST}"
            message = f"{name} must be {allowed}, not {value!r:.80}"
            raise InvalidMeasure(message)

    @property
    def has_limits(self) -> bool:
        """Whether it is judged by others than the fleet's."""
        return (
            self.alert_threshold_error_rate is not None or self.alert_threshold_response_time_ms is not None
        )

    def resolved(self) -> Thresholds:
        """With what the settings say of the rest; where they cannot be read, their defaults."""
        try:
            chosen = settings.current()
        except SettingsError:
            # Whoever starts with such variables is told elsewhere: what is watched is not disturbed by it.
            said = _DEFAULTS
        else:
            said = (
                chosen.perf_monitor_retention_hours,
                chosen.perf_monitor_sampling_interval,
                chosen.perf_monitor_error_threshold,
                chosen.perf_monitor_response_threshold,
            )
        given = tuple(vars(self).values())
        return Thresholds(
            *(ours if ours is not None else other for ours, other in zip(given, said, strict=True))
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _most(is_rate: bool) -> float:  # noqa: FBT001 (of one argument)
    return 100 if is_rate else _MOST
