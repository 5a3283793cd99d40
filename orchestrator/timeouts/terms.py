"""What the contexts of one manager have in common, worked out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from orchestrator.timeouts.config import TimeoutConfig
from orchestrator.timeouts.tallies import Tallies
from orchestrator.timeouts.warning import OnWarning


@runtime_checkable
class AdaptiveTimeout(Protocol):
    """A timeout that follows how long an operation takes: an `Adaptive`."""

    def seconds(self) -> float:
        """How long the next one may take."""

    def observe(self, duration_seconds: float, timed_out: bool) -> None:  # noqa: FBT001 (it is called so)
        """One took so long."""

    def explained(self) -> Mapping[str, Any]:
        """What it is, and why."""


class Terms:
    """`threshold` is None where nobody is warned; there is no grace period then either."""

    __slots__ = ("clock", "config", "global_seconds", "grace_seconds", "on_warning", "tallies", "threshold")

    def __init__(
        self, config: TimeoutConfig, on_warning: OnWarning | None, clock: Callable[[], float]
    ) -> None:
        self.config = config
        self.on_warning = on_warning
        self.clock = clock
        self.tallies = Tallies()
        self.global_seconds = config.global_timeout
        is_progressive = config.enable_progressive_timeout
        self.grace_seconds = config.grace_period if is_progressive else 0.0
        self.threshold = config.warning_threshold if is_progressive else None
