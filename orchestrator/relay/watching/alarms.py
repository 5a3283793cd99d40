"""The relays' own alerts among those of the fleet: each is raised and cleared once, whoever judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from redis import Redis

from orchestrator.alerts import changing
from orchestrator.alerts.record import Alert, Raised
from orchestrator.alerts.standing import Standing
from orchestrator.alerts.store import Store
from orchestrator.relay.watching.alerting import NAMES


def raised(client: Redis, prefix: str = "") -> dict[str, Raised]:
    """Those that are raised, by name; `client` answers with text."""
    return ours(Store(client, prefix).read().raised)


def ours(alerts: Mapping[str, Raised]) -> dict[str, Raised]:
    """Those that relays judge."""
    return {name: alert for name, alert in alerts.items() if name in NAMES}


def tell(store: Store, standing: Standing, alerts: Iterable[Alert]) -> None:
    """Raise these, and clear all others of ours; what is as it was, since nothing is known, stays so."""
    left = ours(standing.raised)
    changes = []
    for alert in alerts:
        before = left.pop(alert.name, None)
        if alert is not before:
            changes.append(changing.found(standing, alert))
    changes += [changing.gone(standing, name) for name in left]
    store.apply(standing, changes)
