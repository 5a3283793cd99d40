"""All metrics in Prometheus' text format: the ten, and what is beside them. What is unknown has no sample."""

from __future__ import annotations

from monitoring.exporter import counted, fleetwide
from monitoring.exporter.figures import Figures
from monitoring.performance import prometheus


def text(figures: Figures) -> bytes:
    """The whole answer."""
    sums = figures.sums
    families = [
        *prometheus.counts(sums),
        *counted.families(sums, figures.snapshot.overflowed if figures.knows_sums else None),
        *prometheus.system(figures.health),
        *fleetwide.families(figures),
    ]
    said = f"{prometheus.durations(sums)}{counted.waits(sums)}{prometheus.rendered(families)}"
    # Half a surrogate pair cannot be sent to anybody.
    return said.encode("utf-8", "backslashreplace")
