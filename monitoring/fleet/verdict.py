"""The verdict on the fleet: healthy, degraded or critical, from its sums and what is known of its parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from monitoring.fleet.figures import BreakerFigures, Fleet
from monitoring.fleet.reasons import of_fleet
from monitoring.judging.health import Health, judge, rank, status_of
from monitoring.judging.surroundings import Surroundings
from monitoring.judging.thresholds import Thresholds
from monitoring.recording.sums import Snapshot
from monitoring.rollup.processes import Process
from orchestrator.settings import Settings


def judge_fleet(snapshot: Snapshot, fleet: Fleet, thresholds: Thresholds, settings: Settings) -> Health:
    """What the sums of the last minutes and the parts of the fleet mean, the worst reason first.

    Critical: Redis does not answer, no worker lives, or of all calls at least twice as many failed as the
    threshold allows. Degraded: anything else that is not as it should be, or that could not be found out.
    A reason that is an info changes nothing, such as a paused queue. It asks nobody, and reads no clock.
    """
    circuits = _circuits(fleet.breakers or {}, settings)
    # That the sums are unknown is said with the other parts.
    sums = replace(snapshot, trouble="")
    of_sums = judge(sums, thresholds, _surroundings(fleet.processes or (), circuits))
    reasons = sorted([*of_sums.reasons, *of_fleet(snapshot, fleet, settings)], key=rank)
    return replace(of_sums, status=status_of(reasons), reasons=tuple(reasons))


def _circuits(breakers: Mapping[str, BreakerFigures], settings: Settings) -> dict[str, str]:
    """Those that are not closed; of one that is so for long, its alert says it."""
    return {
        name: each.words or f"is {each.state}"
        for name, each in breakers.items()
        if each.state != "closed" and not each.is_unused
        if (each.open_seconds or 0.0) <= settings.alert_breaker_open_seconds
    }


def _surroundings(processes: Iterable[Process], circuits: Mapping[str, str]) -> Surroundings:
    """Memory and connections of all processes that tell of themselves."""
    connections: dict[str, int] = {}
    memory_bytes: int | None = None
    for process in processes:
        for service, count in process.connections.items():
            connections[service] = connections.get(service, 0) + count
        if process.memory_bytes is not None:
            memory_bytes = (memory_bytes or 0) + process.memory_bytes
    return Surroundings(memory_bytes, connections, circuits)
