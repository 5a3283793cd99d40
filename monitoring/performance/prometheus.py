"""From sums to Prometheus' text: the ten metrics, by name and labels."""

from __future__ import annotations

from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from monitoring.judging.health import Health
from monitoring.performance import exposition, histograms
from monitoring.recording.kinds import Kind
from monitoring.recording.sums import Sums

_STATUS = {"healthy": 0, "degraded": 1, "critical": 2}


class _Events(NamedTuple):
    name: str
    kind: Kind
    label: str
    help: str


_EVENTS = (
    _Events(
        "omninode_circuit_breaker_trips_total",
        "circuit_breaker_trip",
        "component",
        "Times that a circuit has opened.",
    ),
    _Events(
        "omninode_timeout_failures_total",
        "timeout_failure",
        "component",
        "Calls and tasks that took longer than they may.",
    ),
    _Events(
        "omninode_retry_attempts_total",
        "retry_attempt",
        "component",
        "Times that something failed and was tried again.",
    ),
    _Events(
        "omninode_dead_letter_messages_total",
        "dead_letter_message",
        "topic",
        "Dead letters, by the topic that they go to.",
    ),
)


_DURATIONS = histograms.About(
    "omninode_request_duration_seconds", "How long calls took.", ("component", "operation", "status")
)


def text(total: Sums, health: Health) -> str:
    """Prometheus' text; all names are in it, also those that nothing is known of."""
    return durations(total) + exposition.text([*counts(total), *system(health)])


def durations(total: Sums) -> str:
    """The histogram of calls."""
    return histograms.text(_DURATIONS, total.calls.items())


def counts(total: Sums) -> list[Metric]:
    """The six that count."""
    return [_requests(total), _errors(total), *(_events(total, about) for about in _EVENTS)]


def _requests(total: Sums) -> Metric:
    labels = ("component", "operation", "status")
    metric = CounterMetricFamily("omninode_requests_total", "Calls that have ended.", labels=labels)
    for key, calls in sorted(total.calls.items()):
        metric.add_metric(key, calls.count)
    return metric


def _errors(total: Sums) -> Metric:
    labels = ("component", "error_type")
    metric = CounterMetricFamily("omninode_errors_total", "Calls that have failed.", labels=labels)
    for names, count in sorted(total.errors.items()):
        metric.add_metric(names, count)
    return metric


def _events(total: Sums, about: _Events) -> Metric:
    metric = CounterMetricFamily(about.name, about.help, labels=(about.label,))
    for (kind, name), count in sorted(total.events.items()):
        if kind == about.kind:
            metric.add_metric((name,), count)
    return metric


def system(health: Health) -> list[Metric]:
    """Health, connections and memory."""
    status = "The health: 0 healthy, 1 degraded, 2 critical."
    active = GaugeMetricFamily("omninode_active_connections", "Open connections.", labels=("service",))
    for service, count in sorted(health.surroundings.connections.items()):
        active.add_metric((service,), count)
    return [
        GaugeMetricFamily("omninode_system_health_status", status, _STATUS[health.status]),
        active,
        GaugeMetricFamily(
            "omninode_memory_usage_bytes",
            "Resident memory of the processes.",
            health.surroundings.memory_bytes,
        ),
    ]
