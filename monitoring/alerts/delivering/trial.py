"""Tries a destination: an alert that says that it is only a test, sent at once and kept nowhere.

What waits for a destination that takes it is sent in the next round.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from redis import Redis
from redis.exceptions import RedisError

from monitoring.alerts.delivering import destinations
from monitoring.alerts.delivering.answer import Answer
from monitoring.alerts.delivering.destination import Destination
from monitoring.alerts.delivering.ledger import Ledger
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


def test(settings: Settings, client: Redis, to: Sequence[str]) -> tuple[Tried, ...]:
    """Send a test to these destinations, or to all that are configured where none is named.

    `client` is of the broker's Redis and answers with text.

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
    return tuple(Tried(name, _try(settings, client, name, entry)) for name in to or known)


def _try(settings: Settings, client: Redis, name: str, entry: Entry) -> Answer:
    destination = destinations.make(settings, name)
    answer = _sent(destination, entry)
    if answer.kind == "taken":
        # Where Redis does not answer it has taken the test all the same.
        with suppress(RedisError):
            Ledger(client, destination.identity, settings.key_prefix).wake()
    return answer


def _sent(destination: Destination, entry: Entry) -> Answer:
    try:
        return destination.take(entry, None)
    except Exception as error:
        return Answer("refused", redaction.text(f"it cannot be sent: {type(error).__name__}: {error}"))
    finally:
        destination.close()
