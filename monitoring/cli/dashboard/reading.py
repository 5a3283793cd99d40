"""What the dashboard shows, read at one moment: sums, fleet, verdict and alerts, as far as they are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monitoring.fleet import telling
from monitoring.fleet.asking import ask
from monitoring.fleet.figures import Fleet
from monitoring.fleet.gather import LIMIT_SECONDS, gather
from monitoring.fleet.verdict import judge_fleet
from monitoring.judging.health import Health
from monitoring.judging.thresholds import Given
from monitoring.performance import dashboard, fleetwide
from monitoring.recording.sums import Snapshot
from monitoring.rollup.reading import ALONE, FleetSource
from orchestrator import broker, settings
from orchestrator.alerts.record import SEVERITIES
from orchestrator.alerts.standing import Standing
from orchestrator.alerts.store import Store
from orchestrator.modules import import_modules

_ANSWER_SECONDS = 2.5
_OF_SUMS = ("uptime_seconds", "error_rate_percent", "average_response_time_ms")


@dataclass(frozen=True)
class Seen:
    """What was read. `standing` has the alerts, and is None where they cannot be read."""

    snapshot: Snapshot
    fleet: Fleet
    health: Health
    standing: Standing | None

    @property
    def knows_sums(self) -> bool:
        """Whether the sums are those of the fleet."""
        return not self.snapshot.trouble

    def as_json(self) -> dict[str, Any]:
        """The dashboard's JSON; null is what is not known, and "unknown" says why."""
        told = dashboard.dashboard(self.snapshot, self.health, (), self.fleet.at)
        if not self.knows_sums:
            told["system_health"] |= dict.fromkeys(_OF_SUMS)
            told["resilience_metrics"] = dict.fromkeys(told["resilience_metrics"])
            told["refused_measures"] = None
        if self.fleet.processes is None:
            told["system_health"]["active_connections"] = None
        reasons = [
            {"name": each.name, "severity": each.severity, "message": each.sentence}
            for each in self.health.reasons
        ]
        unknown = dict(self.fleet.unknown)
        if self.snapshot.trouble:
            unknown["metrics"] = self.snapshot.trouble
        fleet = telling.as_json(self.fleet)
        return told | {"alerts": self.alerts(), "reasons": reasons, "fleet": fleet, "unknown": unknown}

    def alerts(self) -> list[dict[str, Any]] | None:
        """Those that are raised, the worst first, and of these what is longest so."""
        if self.standing is None:
            return None
        raised = sorted(fleetwide.alerts(self.standing), key=lambda each: float(each["since"]))
        return sorted(raised, key=lambda each: SEVERITIES.index(each["severity"]), reverse=True)


class Reader:
    """Reads it, as often as is wanted."""

    def __init__(self) -> None:
        # The app says which queues are declared, and with which priorities.
        from orchestrator.celery import app

        import_modules(app)
        self._settings = settings.current()
        self._source = FleetSource(self._settings)

    def read(self) -> Seen:
        """It as it is now; takes as long as the slowest server, some seconds at most."""
        asked = {"metrics": self._source.snapshot, "fleet": self._gather, "alerts": self._alerts}
        answers, unknown = ask(asked, LIMIT_SECONDS + 1.0)
        snapshot = answers.get("metrics") or Snapshot(0, 0.0, trouble=unknown.get("metrics", ""))
        if snapshot.trouble:
            # What this process alone has counted is not what the fleet has.
            snapshot = Snapshot(snapshot.minute, 0.0, trouble=snapshot.trouble.removesuffix(ALONE))
        fleet: Fleet = answers.get("fleet") or Fleet(0.0, unknown={"redis": unknown.get("fleet", "")})
        thresholds = Given().resolved()
        health = judge_fleet(snapshot, fleet, thresholds, self._settings)
        return Seen(snapshot, fleet, health, answers.get("alerts"))

    def _gather(self) -> Fleet:
        return gather(self._settings)

    def _alerts(self) -> Standing:
        with broker.client(self._settings, decode=True, timeout_seconds=_ANSWER_SECONDS, retries=0) as client:
            return Store(client, self._settings.key_prefix).read()
