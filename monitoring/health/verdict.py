"""What checks found, and what follows from it for the whole."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from orchestrator.errors import OmniNodeError

Status = Literal["healthy", "degraded", "unhealthy"]
Overall = Literal["healthy", "degraded", "critical"]


class Unhealthy(OmniNodeError):
    """What was checked does not work: the report says so, with this sentence."""


@dataclass(frozen=True)
class Degraded:
    """What a check returns where something works, but not as it should; the sentence says what to do."""

    sentence: str


@dataclass(frozen=True)
class CheckResult:
    """What one check found; `checked_at` is in Unix seconds. Nothing works without what is `critical`."""

    name: str
    status: Status
    latency_seconds: float
    sentence: str
    checked_at: float
    critical: bool = False

    def as_json(self) -> dict[str, Any]:
        """As commands and the task's result show it."""
        return {
            "name": self.name,
            "status": self.status,
            "latency_ms": round(self.latency_seconds * 1000, 3),
            "sentence": self.sentence,
            "checked_at": datetime.fromtimestamp(self.checked_at, UTC).isoformat(timespec="seconds"),
        }


@dataclass(frozen=True)
class Report:
    """The state of the whole, and what it follows from."""

    status: Overall
    checks: tuple[CheckResult, ...]

    def as_json(self) -> dict[str, Any]:
        """`{"status", "checks": [{"name", "status", "latency_ms", "sentence", "checked_at"}…]}`."""
        return {"status": self.status, "checks": [check.as_json() for check in self.checks]}


def conclude(checks: Iterable[CheckResult]) -> Report:
    """Critical: something critical is unhealthy; degraded: anything else is not healthy; else healthy."""
    found = tuple(checks)
    if any(check.critical and check.status == "unhealthy" for check in found):
        return Report("critical", found)
    if any(check.status != "healthy" for check in found):
        return Report("degraded", found)
    return Report("healthy", found)
