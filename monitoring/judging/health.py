"""From sums to a verdict: healthy, degraded or critical, and why, with figures and thresholds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from monitoring.judging.surroundings import Surroundings
from monitoring.judging.thresholds import Thresholds
from monitoring.recording.sums import Calls, Snapshot, Sums

Status = Literal["healthy", "degraded", "critical"]
Severity = Literal["info", "warning", "critical"]

# What is judged: the present minute and the five before it; and nothing by fewer calls than this.
WINDOW_MINUTES, LEAST_CALLS = 5, 10
_CRITICAL_TIMES = 2
_WORST: tuple[Severity, ...] = ("critical", "warning", "info")


@dataclass(frozen=True)
class Reason:
    """Why something is not as it should be. `name` tells it apart, `component` is None for the whole."""

    name: str
    severity: Severity
    sentence: str
    component: str | None = None


@dataclass(frozen=True)
class Health:
    """The verdict, and the figures of the last minutes that it is from."""

    status: Status
    reasons: tuple[Reason, ...]
    recent: Sums
    uptime_seconds: float
    surroundings: Surroundings

    @property
    def error_percent(self) -> float:
        """The part of calls that failed; 0 where there were none."""
        return error_percent(self.recent, None)

    def figures(self) -> dict[str, Any]:
        """As the dashboard shows it. The average is null where nothing was called: it is unknown, not 0."""
        average = self.recent.of().average_ms
        return {
            "status": self.status,
            "uptime_seconds": int(self.uptime_seconds),
            "error_rate_percent": round(self.error_percent, 3),
            "average_response_time_ms": None if average is None else round(average, 3),
            "active_connections": sum(self.surroundings.connections.values()),
        }

    def as_json(self) -> dict[str, Any]:
        """All of it: `figures`, reasons, components, connections by service, memory and window."""
        return self.figures() | {
            "reasons": [reason.sentence for reason in self.reasons if reason.severity != "info"],
            "components": {name: self._component(name) for name in self.recent.components()},
            "connections": dict(self.surroundings.connections),
            "memory_usage_bytes": self.surroundings.memory_bytes,
            "window_seconds": WINDOW_MINUTES * 60,
        }

    def _component(self, name: str) -> dict[str, Any]:
        calls = self.recent.of(name)
        about = [reason for reason in self.reasons if reason.component == name]
        return {
            "status": _status([reason.severity for reason in about]),
            "total_requests": calls.count,
            "error_rate_percent": round(error_percent(self.recent, name), 3),
            "average_duration_ms": rounded(calls.average_ms),
            "p95_duration_ms": rounded(calls.quantile_ms(0.95)),
        }


def judge(snapshot: Snapshot, thresholds: Thresholds, surroundings: Surroundings) -> Health:
    """The verdict on the last five minutes.

    Critical: of all calls, at least twice as many failed as the threshold allows. Degraded: more failed than
    it allows, or of one component; or one component's average or p95 is above the threshold; or a circuit is
    known to be open; or it is unknown how the fleet is. Nothing is concluded from fewer than ten calls.
    """
    recent = snapshot.recent(WINDOW_MINUTES)
    reasons = [*_whole(recent, thresholds)]
    for component in recent.components():
        reasons += _component(recent, component, thresholds)
    for name, words in surroundings.circuits.items():
        reasons.append(Reason(f"circuit:{name}", "warning", f"the circuit of {name!r} {words}", name))
    reasons += _of_itself(snapshot)
    return Health(status_of(reasons), tuple(reasons), recent, snapshot.uptime_seconds, surroundings)


def status_of(reasons: Iterable[Reason]) -> Status:
    """What they come to. A component that is critical by itself does not make the whole critical."""
    told = [reason for reason in reasons if reason.severity != "info"]
    if any(reason.severity == "critical" and reason.component is None for reason in told):
        return "critical"
    return "degraded" if told else "healthy"


def rank(reason: Reason) -> tuple[int, str]:
    """What sorts the worst first, and then by name."""
    return _WORST.index(reason.severity), reason.name


def error_percent(sums: Sums, component: str | None) -> float:
    """The part of calls that failed, of a component or of all; 0 where there were none."""
    calls = sums.count(component)
    return 100 * sums.count(component, "error") / calls if calls else 0.0


def rounded(value: float | None) -> float | None:
    """To the microsecond, where it is one of milliseconds."""
    return None if value is None else round(value, 3)


def _whole(recent: Sums, thresholds: Thresholds) -> list[Reason]:
    return _errors(recent.of(), error_percent(recent, None), thresholds, None)


def _component(recent: Sums, name: str, thresholds: Thresholds) -> list[Reason]:
    calls = recent.of(name)
    reasons = _errors(calls, error_percent(recent, name), thresholds, name)
    average, p95 = calls.average_ms or 0.0, calls.quantile_ms(0.95) or 0.0
    if calls.count >= LEAST_CALLS and max(average, p95) > thresholds.response_ms:
        which, value = ("average", average) if average > thresholds.response_ms else ("p95", p95)
        sentence = (
            f"calls of {name!r} took {value:.0f} ms ({which} of {calls.count} in the last "
            f"{WINDOW_MINUTES} minutes), which is above {thresholds.response_ms:g} ms"
        )
        reasons.append(Reason(f"response_time:{name}", "warning", sentence, name))
    return reasons


def _errors(calls: Calls, percent: float, thresholds: Thresholds, component: str | None) -> list[Reason]:
    if calls.count < LEAST_CALLS or percent <= thresholds.error_percent:
        return []
    is_critical = percent >= min(100.0, _CRITICAL_TIMES * thresholds.error_percent)
    of = "all calls" if component is None else f"calls of {component!r}"
    sentence = (
        f"{percent:.1f} % of {of} failed ({calls.count} in the last {WINDOW_MINUTES} minutes), "
        f"which is above {thresholds.error_percent:g} %"
    )
    name = "error_rate" if component is None else f"error_rate:{component}"
    return [Reason(name, "critical" if is_critical else "warning", sentence, component)]


def _of_itself(snapshot: Snapshot) -> list[Reason]:
    found = [Reason("redis_away", "warning", snapshot.trouble)] if snapshot.trouble else []
    if not snapshot.overflowed:
        return found
    sentence = (
        f"{snapshot.overflowed} calls or events are summed under 'other', since there are too many names: "
        "let names say what is called, not with what"
    )
    return [*found, Reason("names", "info", sentence)]


def _status(severities: list[Severity]) -> Status:
    if "critical" in severities:
        return "critical"
    return "degraded" if "warning" in severities else "healthy"
