"""What a `TimeoutManager` works to: five numbers, the environment's where none are given."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orchestrator import settings
from orchestrator.errors import InvalidTimeout

# Ten years, as for every length of time in the settings.
LONGEST_SECONDS = 315_360_000.0


@dataclass(frozen=True, slots=True)
class TimeoutConfig:
    """Lengths of time in seconds, or `timedelta`s; each is the environment's `TIMEOUT_…` unless given.

    An operation may take `operation_timeout` unless it names its own, and goes on after that for
    `grace_period`, at the end of which it is cancelled; nothing that was begun within an operation outlives
    the outermost one's `global_timeout`. `warning_threshold` is the part of its timeout after which a warning
    is due; without `enable_progressive_timeout` there is neither a warning nor a grace period.

    Raises:
        InvalidTimeout: a value that there cannot be, naming it.
    """

    # Whatever was given, they are float seconds here.
    operation_timeout: float = field(default_factory=lambda: settings.current().timeout_operation_default)
    global_timeout: float = field(default_factory=lambda: settings.current().timeout_global_default)
    grace_period: float = field(default_factory=lambda: settings.current().timeout_grace_period)
    warning_threshold: float = field(default_factory=lambda: settings.current().timeout_warning_threshold)
    enable_progressive_timeout: bool = True

    if TYPE_CHECKING:

        def __init__(
            self,
            operation_timeout: float | timedelta = ...,
            global_timeout: float | timedelta = ...,
            grace_period: float | timedelta = ...,
            warning_threshold: float = ...,
            enable_progressive_timeout: bool = True,  # noqa: FBT001, FBT002 (as the fields are)
        ) -> None: ...

    def __post_init__(self) -> None:
        for name in ("operation_timeout", "global_timeout"):
            object.__setattr__(self, name, seconds(getattr(self, name), name))
        is_none = self.grace_period == 0 or self.grace_period == timedelta()
        grace_seconds = 0.0 if is_none else seconds(self.grace_period, "grace_period")
        object.__setattr__(self, "grace_period", grace_seconds)
        threshold = self.warning_threshold
        if not _is_number(threshold) or not 0 < threshold <= 1:
            raise InvalidTimeout(f"warning_threshold={threshold!r} must be more than 0 and at most 1")
        if not isinstance(self.enable_progressive_timeout, bool):
            raise InvalidTimeout(
                f"enable_progressive_timeout={self.enable_progressive_timeout!r} must be True or False"
            )


def seconds(value: Any, name: str) -> float:
    """The value, a number of seconds or a `timedelta`, as a length of time.

    Raises:
        InvalidTimeout: it is neither, is not finite, is 0 or less, or is more than ten years.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if not _is_number(value) or not 0 < value <= LONGEST_SECONDS:
        raise InvalidTimeout(
            f"{name}={value!r} must be a number of seconds or a timedelta, more than 0 and at most ten years"
        )
    return float(value)


def _is_number(value: Any) -> bool:
    # A whole number may be too large for a float; what is no number (NaN) is less than nothing.
    return isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf
