"""Alerts by webhook, signed as Standard Webhooks are (standardwebhooks.com)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook as Signer

from monitoring.alerts.delivering.answer import TAKEN, Answer
from monitoring.alerts.delivering.posting import Poster
from monitoring.alerts.delivering.told import CHANGES, Told
from orchestrator import redaction, times
from orchestrator.alerts.history import Entry
from orchestrator.alerts.record import Raised


class Webhook:
    """One receiver. The id of an entry is the same however often it is sent."""

    name = "webhook"
    remind_seconds = 0.0

    def __init__(self, url: str, secret: str) -> None:
        self.identity = f"{self.name}:{hashlib.sha256(url.encode()).hexdigest()[:16]}"
        self._poster = Poster(url)
        self._signer = Signer(secret)

    def wants(self, entry: Entry) -> bool:
        """All that is told at all."""
        return entry.event in CHANGES

    def take(self, entry: Entry, told: Told | None) -> Answer:  # noqa: ARG002 (it keeps nothing itself)
        """Post it, signed at this moment."""
        body = json.dumps(_payload(entry), separators=(",", ":"))
        now = datetime.now(UTC)
        identity = f"alert_{entry.id}"
        headers = {
            "webhook-id": identity,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(identity, now, body),
        }
        return self._poster.post(body.encode(), headers)

    def remind(self, raised: Sequence[Raised]) -> Answer:  # noqa: ARG002
        """It remembers what it was told."""
        return TAKEN

    def close(self) -> None:
        """Let go of the connection."""
        self._poster.close()


def _payload(entry: Entry) -> dict[str, Any]:
    data = {
        "id": entry.id,
        "name": entry.alert,
        "severity": entry.severity or None,
        "before": entry.before or None,
        "component": entry.component,
        "message": redaction.text(entry.sentence),
        "since": entry.since or None,
        "until": entry.until or None,
        "who": entry.who or None,
        "why": redaction.text(entry.why) or None,
    }
    return {"type": f"alert.{CHANGES[entry.event]}", "timestamp": times.iso(entry.at), "data": data}
