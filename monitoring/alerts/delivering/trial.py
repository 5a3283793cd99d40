"""Tries a destination: an alert that says that it is only a test, sent at once and kept nowhere."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from redis import Redis

from monitoring.alerts.delivering import destinations
from monitoring.alerts.delivering.answer import Answer
from orchestrator import redaction
from orchestrator.alerts import record
from orchestrator.alerts.history import Entry
from orchestrator.errors import OmniNodeError
from orchestrator.settings import Settings


class NoDestination(OmniNodeError):
    """Alerts are not sent there."""


@dataclass(frozen=True)
class Tried:
    """What a destination said."""

    destination: str
    answer: Answer


def test(
    settings: Settings,
    client: Redis,  # noqa: ARG001 (it is kept nowhere)
    to: Sequence[str],
) -> tuple[Tried, ...]:
    """Send a test to these destinations, or to all that are configured where none is named.

    Raises:
        NoDestination: one of them is not configured.
    """
    known = destinations.names(settings)
    for name in to:
        if name not in known:
            raise NoDestination(f"alerts are not sent to {name!r}: the settings name {', '.join(known)}")
    now = datetime.now(UTC)
    entry = Entry(
        id=uuid.uuid4().hex,
        at=now.timestamp(),
        event="test",
        alert="test",
        severity="info",
        sentence="this is only a test: it says that alerts arrive",
        since=record.stamp(now),
        deliver=True,
    )
    return tuple(Tried(name, _try(settings, name, entry)) for name in to or known)


def _try(settings: Settings, name: str, entry: Entry) -> Answer:
    destination = destinations.make(settings, name)
    try:
        return destination.take(entry, None)
    except Exception as error:
        return Answer("refused", redaction.text(f"it cannot be sent: {type(error).__name__}: {error}"))
    finally:
        destination.close()
