"""From sums to Prometheus' text: the ten metrics, by name and labels, as a collector of a registry's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from monitoring.judging.health import Health
from monitoring.recording.buckets import PER_DOUBLING, bound_seconds
from monitoring.recording.kinds import Kind
from monitoring.recording.sums import Calls, Sums

# Every eighth bound of the grid, from 3.9 ms to 17 minutes: the powers of two.
_BOUNDS = [(power * PER_DOUBLING, f"{bound_seconds(power * PER_DOUBLING):.10g}") for power in range(-8, 11)]
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
        "Times that a circuit has opened, as this process has learned.",
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


def text(total: Sums, health: Health) -> str:
    """Prometheus' text; all names are in it, also those that nothing is known of."""
    registry = CollectorRegistry()
    registry.register(_Given(families(total, health)))
    return generate_latest(registry).decode()


def families(total: Sums, health: Health) -> list[Metric]:
    """All ten."""
    return [
        _durations(total),
        _requests(total),
        _errors(total),
        *(_events(total, about) for about in _EVENTS),
        *_system(health),
    ]


class _Given(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _durations(total: Sums) -> Metric:
    name = "omninode_request_duration_seconds"
    metric = HistogramMetricFamily(name, "How long calls took.", labels=("component", "operation", "status"))
    samples = metric.samples
    for key, calls in sorted(total.calls.items()):
        labels = key._asdict()
        for bound, count in _cumulated(calls):
            samples.append(Sample(f"{name}_bucket", labels | {"le": bound}, count))
        samples.append(Sample(f"{name}_count", labels, calls.count))
        samples.append(Sample(f"{name}_sum", labels, calls.micros / 1e6))
    return metric


def _cumulated(calls: Calls) -> Iterator[tuple[str, int]]:
    sofar, buckets = 0, sorted(calls.buckets.items(), reverse=True)
    for bound, shown in _BOUNDS:
        while buckets and buckets[-1][0] <= bound:
            sofar += buckets.pop()[1]
        yield shown, sofar
    yield "+Inf", calls.count


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


def _system(health: Health) -> list[Metric]:
    status = "The health: 0 healthy, 1 degraded, 2 critical."
    active = GaugeMetricFamily(
        "omninode_active_connections", "Connections that this process has open.", labels=("service",)
    )
    for service, count in sorted(health.surroundings.connections.items()):
        active.add_metric((service,), count)
    return [
        GaugeMetricFamily("omninode_system_health_status", status, _STATUS[health.status]),
        active,
        GaugeMetricFamily(
            "omninode_memory_usage_bytes",
            "Resident memory of this process.",
            health.surroundings.memory_bytes,
        ),
    ]
