"""All metrics in Prometheus' text format: the ten, and what is beside them. What is unknown has no sample."""

from __future__ import annotations

from dataclasses import replace

from monitoring.exporter import counted, fleetwide
from monitoring.exporter.figures import Figures
from monitoring.judging.health import Status
from monitoring.performance import exposition, prometheus

_WORST: tuple[Status, ...] = ("critical", "degraded", "healthy")


def text(figures: Figures, judged: Status) -> bytes:
    """The whole answer; `judged` is what became of the last minutes' figures, where these have none.

    What is not well of the fleet itself counts at once.
    """
    sums, health = figures.sums, figures.health
    if figures.knows_sums and _WORST.index(judged) < _WORST.index(health.status):
        health = replace(health, status=judged)
    families = [
        *prometheus.counts(sums),
        *counted.families(sums, figures.snapshot.overflowed if figures.knows_sums else None),
        *prometheus.system(health),
        *fleetwide.families(figures),
    ]
    said = f"{prometheus.durations(sums)}{counted.waits(sums)}{exposition.text(families)}"
    # Half a surrogate pair cannot be sent to anybody.
    return said.encode("utf-8", "backslashreplace")
