"""From sums to a verdict: healthy, degraded or critical, and why, with figures and thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from monitoring.judging.failures import Failures, failures, whole
from monitoring.judging.surroundings import Surroundings
from monitoring.judging.thresholds import Thresholds
from monitoring.recording.sums import Snapshot, Sums

Status = Literal["healthy", "degraded", "critical"]
Severity = Literal["info", "warning", "critical"]

# What is judged: the present minute and the five before it; and nothing by fewer tasks and calls than this.
WINDOW_MINUTES, LEAST_CALLS = 5, 10
_CRITICAL_TIMES = 2
_WORST: tuple[Severity, ...] = ("critical", "warning", "info")


@dataclass(frozen=True)
class Reason:
    """Why something is not as it should be. `name` tells it apart, `component` is None for the whole.

    `leaving` says the same figures where the limit is the one below which an alert of it clears.
    """

    name: str
    severity: Severity
    sentence: str
    component: str | None = None
    leaving: str = field(default="", compare=False)


@dataclass(frozen=True)
class Health:
    """The verdict, and the figures of the last minutes that it is from."""

    status: Status
    reasons: tuple[Reason, ...]
    recent: Sums
    uptime_seconds: float
    surroundings: Surroundings
    failures: Mapping[str, Failures] = field(default_factory=dict)

    @property
    def error_percent(self) -> float:
        """The part of all tasks and calls that failed, which is judged; 0 where there were none."""
        return whole(self.failures).percent

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
            "components": {name: self._component(name) for name in self._components()},
            "connections": dict(self.surroundings.connections),
            "memory_usage_bytes": self.surroundings.memory_bytes,
            "window_seconds": WINDOW_MINUTES * 60,
        }

    def _components(self) -> list[str]:
        # A task may die without a call, such as one that no worker knows.
        return sorted({*self.recent.components(), *self.failures})

    def _component(self, name: str) -> dict[str, Any]:
        calls = self.recent.of(name)
        about = [reason for reason in self.reasons if reason.component == name]
        return {
            "status": _status([reason.severity for reason in about]),
            "total_requests": calls.count,
            "error_rate_percent": round(self.failures.get(name, Failures()).percent, 3),
            "average_duration_ms": rounded(calls.average_ms),
            "p95_duration_ms": rounded(calls.quantile_ms(0.95)),
        }


def judge(snapshot: Snapshot, thresholds: Thresholds, surroundings: Surroundings) -> Health:
    """The verdict on the last five minutes.

    Critical: of all tasks and calls, at least twice as many failed as the threshold allows. Degraded: more
    failed than it allows, or of one component; or one component's average or p95 is above the threshold; or a
    circuit is known to be open; or it is unknown how the fleet is. Nothing is concluded from fewer than ten.
    """
    recent = snapshot.recent(WINDOW_MINUTES)
    failed = failures(snapshot, WINDOW_MINUTES)
    reasons = _errors(whole(failed), thresholds, None)
    for component, each in sorted(failed.items()):
        reasons += _errors(each, thresholds, component)
    for component in recent.components():
        reasons += _slowness(recent, component, thresholds)
    for name, words in surroundings.circuits.items():
        reasons.append(Reason(f"circuit:{name}", "warning", f"the circuit of {name!r} {words}", name))
    reasons += _of_itself(snapshot)
    return Health(status_of(reasons), tuple(reasons), recent, snapshot.uptime_seconds, surroundings, failed)


def status_of(reasons: Iterable[Reason]) -> Status:
    """What they come to. A component that is critical by itself does not make the whole critical."""
    told = [reason for reason in reasons if reason.severity != "info"]
    if any(reason.severity == "critical" and reason.component is None for reason in told):
        return "critical"
    return "degraded" if told else "healthy"


def rank(reason: Reason) -> tuple[int, str]:
    """What sorts the worst first, and then by name."""
    return _WORST.index(reason.severity), reason.name


def rounded(value: float | None) -> float | None:
    """To the microsecond, where it is one of milliseconds."""
    return None if value is None else round(value, 3)


def _errors(failed: Failures, thresholds: Thresholds, component: str | None) -> list[Reason]:
    percent = failed.percent
    if failed.ended < LEAST_CALLS or percent <= thresholds.error_percent:
        return []
    critical_percent = min(100.0, _CRITICAL_TIMES * thresholds.error_percent)
    is_critical = percent >= critical_percent
    figures = (
        f"{percent:.1f} % of {_what(failed, component)} ({failed.failed} of {failed.ended} in the last "
        f"{WINDOW_MINUTES} minutes)"
    )
    name = "error_rate" if component is None else f"error_rate:{component}"
    if is_critical:
        sentence = f"{figures}, which is critical from {critical_percent:g} % on"
        leaving = f"{figures}: a warning again below {critical_percent:g} %"
        return [Reason(name, "critical", sentence, component, leaving)]
    sentence = f"{figures}, which is above {thresholds.error_percent:g} %"
    leaving = f"{figures}: clears below {thresholds.error_percent:g} %"
    return [Reason(name, "warning", sentence, component, leaving)]


def _what(failed: Failures, component: str | None) -> str:
    if component is not None:
        return f"the tasks of {component!r} died" if failed.tasks else f"calls of {component!r} failed"
    if not failed.tasks:
        return "all calls failed"
    return "all tasks and calls failed" if failed.calls else "all tasks died"


def _slowness(recent: Sums, name: str, thresholds: Thresholds) -> list[Reason]:
    calls = recent.of(name)
    average, p95 = calls.average_ms or 0.0, calls.quantile_ms(0.95) or 0.0
    if calls.count < LEAST_CALLS or max(average, p95) <= thresholds.response_ms:
        return []
    which, value = ("average", average) if average > thresholds.response_ms else ("p95", p95)
    of = f"{which} of {calls.count} in the last {WINDOW_MINUTES} minutes"
    figures = f"calls of {name!r} took {value:.0f} ms ({of})"
    sentence = f"{figures}, which is above {thresholds.response_ms:g} ms"
    leaving = f"{figures}: clears below {thresholds.response_ms:g} ms"
    return [Reason(f"response_time:{name}", "warning", sentence, name, leaving)]


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
