"""Alerts to Prometheus's Alertmanager, over its API v2."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring.alerts.delivering.answer import Answer
from monitoring.alerts.delivering.posting import Poster
from monitoring.alerts.delivering.told import Told, changes_belief
from orchestrator import redaction
from orchestrator.alerts.history import Entry
from orchestrator.alerts.record import Raised
from orchestrator.settings import Settings

# It holds an alert for resolved that it does not hear of: so it is told more often than we are asked to.
_REMIND_SECONDS = 45.0
# What Prometheus does: as long as four looks may be late.
_LOOKS, _LEAST_SECONDS = 4, 300.0
_TEST_LASTS = timedelta(minutes=1)
_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 (compared with, not listened on)


class Alertmanager:
    """One of them. An alert is told apart by its labels: one of another severity is another one to it."""

    name = "alertmanager"
    remind_seconds = _REMIND_SECONDS

    def __init__(self, settings: Settings, url: str) -> None:
        self.identity = f"{self.name}:{hashlib.sha256(url.encode()).hexdigest()[:16]}"
        self._poster = Poster(f"{url.rstrip('/')}/api/v2/alerts")
        self._lasts = timedelta(seconds=max(_LEAST_SECONDS, _LOOKS * settings.perf_monitor_sampling_interval))
        self._generator = _dashboard(settings)

    def wants(self, entry: Entry) -> bool:
        """It knows of nothing but alerts that are raised and cleared: it has silences of its own."""
        return changes_belief(entry) or entry.event == "test"

    def take(self, entry: Entry, told: Told | None) -> Answer:
        """Post how the alert is now, and the end of what it was told before, where that was another one."""
        at = datetime.fromtimestamp(entry.at, UTC)
        before = [self._alert(entry.alert, told, entry.sentence, at)] if told else []
        if entry.event == "cleared":
            return self._post(before)
        now = Told(entry.severity, entry.since, entry.component)
        is_another = told is not None and (told.severity, told.component) != (now.severity, now.component)
        is_test = entry.event == "test"
        ends_at = at + _TEST_LASTS if is_test else datetime.now(UTC) + self._lasts
        alert = self._alert(entry.alert, now, entry.sentence, ends_at)
        return self._post([*(before if is_another else []), alert])

    def remind(self, raised: Sequence[Raised]) -> Answer:
        """Post all of them, as it was told of them."""
        ends_at = datetime.now(UTC) + self._lasts
        told = [Told(each.severity, each.since, each.component) for each in raised]
        alerts = zip(raised, told, strict=True)
        return self._post(
            [self._alert(each.name, as_told, each.present_sentence, ends_at) for each, as_told in alerts]
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._poster.close()

    def _post(self, alerts: list[dict[str, Any]]) -> Answer:
        return self._poster.post(json.dumps(alerts).encode())

    def _alert(self, name: str, told: Told, sentence: str, ends_at: datetime) -> dict[str, Any]:
        labels = {
            "alertname": name.partition(":")[0],
            "alert": name,
            "severity": told.severity,
            "component": told.component,
            "service": "omninode",
        }
        begin = datetime.fromisoformat(told.since)
        return {
            # A label without a value is none.
            "labels": {label: value for label, value in labels.items() if value},
            "annotations": {"summary": name, "description": redaction.text(sentence)},
            "startsAt": begin.isoformat(),
            # One that would end before it begins is refused.
            "endsAt": max(begin, ends_at).isoformat(),
            "generatorURL": self._generator,
        }


def _dashboard(settings: Settings) -> str:
    host = settings.exporter_host
    if host in _EVERYWHERE:
        host = socket.getfqdn()
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.exporter_port}/dashboard"
