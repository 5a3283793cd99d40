"""What is counted beside the ten: what became of tasks, and how long they waited, as families of metrics."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric

from monitoring.performance import histograms
from monitoring.recording.sums import Sums

_WAITS = histograms.About(
    "omninode_queue_wait_seconds", "How long tasks waited for their first start.", ("queue", "task")
)
_LIMIT = "_timeout"
_BY_COMPONENT = {
    "replay": ("omninode_replays_total", "Dead letters whose message was enqueued again, by task."),
    "grace_period_recovery": (
        "omninode_grace_recoveries_total",
        "What has finished after its limit, within the grace period.",
    ),
}


def waits(total: Sums) -> str:
    """The histogram of waits in queues."""
    return histograms.text(_WAITS, total.waits.items())


def families(total: Sums, overflowed: int | None) -> Iterator[Metric]:
    """Outcomes, limits, replays, recoveries, and how many names were too many (None: unknown)."""
    outcomes = CounterMetricFamily(
        "omninode_task_outcomes_total",
        "What became of deliveries, counted by their settlements.",
        labels=("task", "queue", "outcome", "reason"),
    )
    for ended, count in sorted(total.outcomes.items()):
        outcomes.add_metric(ended, count)
    yield outcomes
    yield _limits(total)
    for kind, (name, help_) in _BY_COMPONENT.items():
        metric = CounterMetricFamily(name, help_, labels=("component",))
        for (of, component), count in sorted(total.events.items()):
            if of == kind:
                metric.add_metric((component,), count)
        yield metric
    yield CounterMetricFamily(
        "omninode_names_overflowed_total",
        "Measures that are summed under `other`, since there are too many names.",
        overflowed,
    )


def _limits(total: Sums) -> Metric:
    metric = CounterMetricFamily(
        "omninode_timeouts_total",
        "Limits that have struck: operation, global, soft, hard or deadline.",
        labels=("component", "limit"),
    )
    for (kind, component), count in sorted(total.events.items()):
        if kind.endswith(_LIMIT):
            metric.add_metric((component, kind.removesuffix(_LIMIT)), count)
    return metric
