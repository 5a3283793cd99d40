"""The alerts that are raised, in Redis: each is raised and cleared once, whoever judges it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from redis import Redis

from orchestrator import keys
from orchestrator.relay.watching.alerting import Alert

_LOG = structlog.get_logger(__name__)
# KEYS alerts; ARGV name, alert as JSON; returns whether it was not there. A full Redis lets it through.
_RAISE = """
redis.call('DEL', KEYS[1] .. ':none')
return redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
"""


@dataclass(frozen=True)
class Raised(Alert):
    """An alert, and since when it is raised (ISO 8601)."""

    since: str


def raised(client: Redis, prefix: str = "") -> dict[str, Raised]:
    """The alerts that are raised, by name; `client` answers with text."""
    stored: Any = client.hgetall(keys.alerts(prefix))
    return {name: Raised(**json.loads(alert)) for name, alert in sorted(stored.items())}


def tell(client: Redis, before: dict[str, Raised], alerts: Iterable[Alert], prefix: str = "") -> None:
    """Raise these and clear all others of `before`; whoever is the first to do so logs it."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    key, left = keys.alerts(prefix), dict(before)
    for alert in alerts:
        known = left.pop(alert.name, None)
        told = Raised(alert.name, alert.severity, alert.sentence, since=known.since if known else now)
        if known is None:
            _raise(client, key, told)
        elif known != told:
            client.hset(key, alert.name, json.dumps(asdict(told)))
    for alert in left.values():
        if client.hdel(key, alert.name):
            _LOG.info("alert_cleared", alert=alert.name, since=alert.since)


def _raise(client: Redis, key: str, alert: Raised) -> None:
    if client.eval(_RAISE, 1, key, alert.name, json.dumps(asdict(alert))):
        _LOG.warning("alert_raised", alert=alert.name, severity=alert.severity, sentence=alert.sentence)
