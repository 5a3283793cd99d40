"""Do dead letters get on, from the outbox to where they are found?"""

from collections.abc import Mapping
from typing import Any

from redis.exceptions import RedisError

from monitoring.health.registry import health_check
from monitoring.health.verdict import Degraded, Unhealthy
from orchestrator import broker, settings, times
from orchestrator.alerts.record import Raised
from orchestrator.relay.outbox import backlog as outboxes
from orchestrator.relay.outbox.backlog import Outbox
from orchestrator.relay.watching import alarms, heartbeat
from orchestrator.relay.watching.alerting import OUTBOX_WAITS
from orchestrator.relay.watching.heartbeat import SILENT_SECONDS

States = Mapping[str, Mapping[str, Any]]


@health_check("dead-letters")
def check_dead_letters() -> str | Degraded:
    """Look at the outbox, at the relays, and at the alerts that they have raised."""
    chosen = settings.current()
    prefix = chosen.key_prefix
    try:
        with broker.client(chosen, decode=True) as client:
            outbox, relays = outboxes.measure(client, prefix), heartbeat.heard(client, prefix)
            alerts = alarms.raised(client, prefix)
    except (RedisError, OSError) as error:
        raise Unhealthy(f"unknown, the broker does not answer: {error}") from error
    return judge(outbox, relays, alerts, chosen.alert_outbox_seconds)


def judge(
    outbox: Outbox, relays: States, alerts: Mapping[str, Raised], most_seconds: float
) -> str | Degraded:
    """What the outbox, the relays that are heard, and the raised alerts mean.

    Nothing is amiss where no relay runs and nothing waits: what a relay once raised nobody has cleared since,
    and it is told with its age, but not held to be so.
    """
    waiting = f"{outbox.length:,} wait" if outbox.length else "none waits"
    complaints = []
    # One that is being restarted is back within seconds.
    if outbox.oldest_seconds >= SILENT_SECONDS and not relays:
        complaints.append(f"{waiting} and no relay runs: start `omninode relay`")
    elif outbox.oldest_seconds > most_seconds and OUTBOX_WAITS not in alerts:
        complaints.append(f"{waiting}, the oldest for {times.length(outbox.oldest_seconds)}")
    if relays:
        complaints += [alert.sentence for alert in alerts.values()]
    if complaints:
        return Degraded("; ".join(complaints))
    if relays:
        running = f"{len(relays)} relay{'' if len(relays) == 1 else 's'}"
        return "; ".join([waiting, running, *_open(relays)])
    return "; ".join([waiting, "no relay runs", *_left_behind(alerts)])


def _left_behind(alerts: Mapping[str, Raised]) -> list[str]:
    told = ", ".join(f"{alert.name} since {alert.since}" for alert in alerts.values())
    return [f"the last one left behind the alerts {told}"] if told else []


def _open(relays: States) -> list[str]:
    counted = [(state.get("watcher") or {}).get("index") for state in relays.values()]
    return [f"{index['open_letters']:,} open" for index in counted if index][:1]
