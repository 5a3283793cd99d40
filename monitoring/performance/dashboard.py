"""From sums to the dashboard's JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from monitoring.judging.health import Health, rounded
from monitoring.performance.alerts import Alert
from monitoring.performance.samples import Sample
from monitoring.recording.kinds import Kind
from monitoring.recording.sums import Snapshot, Sums
from orchestrator import times

_RESILIENCE: dict[str, Kind] = {
    "circuit_breaker_trips": "circuit_breaker_trip",
    "timeout_failures": "timeout_failure",
    "retry_attempts": "retry_attempt",
    "dead_letter_queue_messages": "dead_letter_message",
    "grace_period_recoveries": "grace_period_recovery",
}


def dashboard(
    snapshot: Snapshot,
    health: Health,
    alerts: Iterable[Alert],
    now: float,
    samples: Iterable[Sample] | None = None,
) -> dict[str, Any]:
    """All of it; `system_health` of the last minutes, the rest of all that is kept. `now` in Unix seconds.

    Samples are what a monitor takes; the fleet has its history instead, and then there is no such key.
    """
    kept = snapshot.kept()
    told = {
        "system_health": health.figures(),
        "resilience_metrics": {key: kept.events_of(kind) for key, kind in _RESILIENCE.items()},
        "component_performance": {name: _component(kept, name) for name in kept.components()},
        "alerts": [alert.as_json() for alert in alerts],
        "refused_measures": snapshot.refused,
        "trouble": snapshot.trouble or None,
        "generated_at": times.iso(now),
    }
    return told if samples is None else told | {"samples": [sample.as_json() for sample in samples]}


def _component(kept: Sums, name: str) -> dict[str, Any]:
    calls, succeeded = kept.of(name), kept.count(name, "success")
    return {
        "total_requests": calls.count,
        "success_rate_percent": round(100 * succeeded / calls.count, 3) if calls.count else 100.0,
        "average_duration_ms": rounded(calls.average_ms),
        "p50_duration_ms": rounded(calls.quantile_ms(0.5)),
        "p95_duration_ms": rounded(calls.quantile_ms(0.95)),
        "p99_duration_ms": rounded(calls.quantile_ms(0.99)),
        "error_count": kept.of(name, "error").count,
    }
