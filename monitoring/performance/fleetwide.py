"""What the fleet's looks have found, beside what a monitor judges by itself; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from monitoring.judging.health import Health, Reason, rank, status_of
from monitoring.performance.alerts import Alert
from monitoring.rollup.verdicts import Verdict
from orchestrator.alerts.standing import Standing

# A monitor judges the fleet's sums itself: those of now, and by its own thresholds.
_OF_SUMS = frozenset({"error_rate", "response_time", "names"})


def judged(health: Health, verdict: Verdict | None) -> Health:
    """A monitor's own judgement, and of the fleet's verdict all that does not follow from sums.

    Each reason is there once, the worst first.
    """
    if verdict is None:
        return health
    fleets = [reason for reason in verdict.reasons if _kind(reason) not in _OF_SUMS]
    reasons = sorted([*fleets, *_others(health.reasons, {reason.name for reason in fleets})], key=rank)
    return replace(health, status=status_of(reasons), reasons=tuple(reasons))


def alerts(standing: Standing, own: Iterable[Alert] = ()) -> list[dict[str, Any]]:
    """The fleet's that are raised, by name, as a dashboard shows them; then those of the monitor's own.

    Of an alert that both have, the fleet's is shown.
    """
    fleets = [
        {
            "name": name,
            "severity": alert.severity,
            "message": alert.present_sentence,
            "component": alert.component,
            "since": alert.since,
            "is_acknowledged": alert.acknowledged is not None,
            "is_silenced": standing.silence_of(name) is not None,
        }
        for name, alert in sorted(standing.raised.items())
    ]
    return fleets + [
        alert.as_json()
        | {"is_acknowledged": False, "is_silenced": standing.silence_of(alert.reason.name) is not None}
        for alert in own
        if alert.reason.name not in standing.raised
    ]


def _others(own: Iterable[Reason], known: set[str]) -> Iterator[Reason]:
    """A circuit that has been open for long has another name in the verdict."""
    for reason in own:
        kind, _, about = reason.name.partition(":")
        if reason.name not in known and not (kind == "circuit" and f"breaker_open:{about}" in known):
            yield reason


def _kind(reason: Reason) -> str:
    return reason.name.partition(":")[0]
