"""All metrics in Prometheus' text format: the ten, and what is beside them. What is unknown has no sample."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from monitoring.exporter import counted
from monitoring.exporter.figures import Figures
from monitoring.performance import prometheus
from monitoring.recording.sums import Sums
from orchestrator.alerts.standing import Standing


def text(figures: Figures) -> bytes:
    """The whole answer."""
    sums = figures.sums
    families = [*_counts(figures, sums), *prometheus.system(figures.health), *_of_fleet(figures)]
    said = f"{prometheus.durations(sums)}{counted.waits(sums)}{prometheus.rendered(families)}"
    # Half a surrogate pair cannot be sent to anybody.
    return said.encode("utf-8", "backslashreplace")


def _counts(figures: Figures, sums: Sums) -> Iterator[Metric]:
    yield from prometheus.counts(sums)
    yield from counted.families(sums, figures.snapshot.overflowed if figures.snapshot else None)


def _of_fleet(figures: Figures) -> Iterator[Metric]:
    yield _alerts(figures.standing)
    known = GaugeMetricFamily("omninode_known", "Whether this part could be found out.", labels=("what",))
    for part in sorted(figures.parts()):
        known.add_metric((part,), part not in figures.unknown)
    yield known


def _alerts(standing: Standing | None) -> Metric:
    raised = GaugeMetricFamily(
        "omninode_alerts", "1 while it is raised, and nobody has silenced it.", labels=("alert", "severity")
    )
    if standing:
        for name, alert in sorted(standing.raised.items()):
            if standing.silence_of(name) is None:
                raised.add_metric((name, alert.severity), 1)
    return raised
