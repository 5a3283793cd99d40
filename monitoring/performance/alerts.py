"""Alerts: raised by the first look, cleared after two without their reason, each told once in the log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from monitoring.judging.health import Reason
from orchestrator import logger, times

_LOG = logger.get(__name__)
_CLEAN_LOOKS = 2


@dataclass(frozen=True)
class Alert:
    """A reason that holds, or has until a moment ago; `since` in Unix seconds."""

    reason: Reason
    since: float
    clean_looks: int = 0

    def as_json(self) -> dict[str, Any]:
        """As the dashboard shows it."""
        return {
            "name": self.reason.name,
            "severity": self.reason.severity,
            "message": self.reason.sentence,
            "component": self.reason.component,
            "since": times.iso(self.since),
        }


class Alerts:
    """Those of one monitor. `look` is called by one thread at a time; reading is free."""

    def __init__(self) -> None:
        self._raised: dict[str, Alert] = {}

    def __iter__(self) -> Any:
        """The worst first, then the oldest."""
        order = ("critical", "warning", "info")
        return iter(
            sorted(self._raised.values(), key=lambda alert: (order.index(alert.reason.severity), alert.since))
        )

    def look(self, reasons: Iterable[Reason], now: float, *, may_clear: bool = True) -> None:
        """Raise what is new, clear what was absent twice where this look counts; `now` in Unix seconds."""
        present = {reason.name: reason for reason in reasons}
        raised: dict[str, Alert] = {}
        for name, alert in self._raised.items():
            is_kept = not may_clear and name not in present
            kept = alert if is_kept else _looked_at(alert, present.get(name), now)
            if kept is not None:
                raised[name] = kept
        for name, reason in present.items():
            if name not in raised:
                raised[name] = Alert(reason, now)
                _tell("performance_alert", reason)
        self._raised = raised


def _looked_at(alert: Alert, reason: Reason | None, now: float) -> Alert | None:
    if reason is not None:
        if reason.severity != alert.reason.severity:
            _tell("performance_alert", reason)
        return replace(alert, reason=reason, clean_looks=0)
    if alert.clean_looks + 1 < _CLEAN_LOOKS:
        return replace(alert, clean_looks=alert.clean_looks + 1)
    _LOG.info("performance_alert_cleared", alert=alert.reason.name, seconds=round(now - alert.since, 1))
    return None


def _tell(event: str, reason: Reason) -> None:
    say = {"critical": _LOG.error, "warning": _LOG.warning, "info": _LOG.info}[reason.severity]
    say(event, alert=reason.name, severity=reason.severity, message=reason.sentence)
