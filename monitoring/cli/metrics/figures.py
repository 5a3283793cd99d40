"""The figures of one component, or of one operation of it, from sums."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from monitoring.recording.sums import Calls, Sums, joined
from orchestrator.tally.fields import Outcome


@dataclass(frozen=True)
class Figures:
    """Retries, timeouts and letters are known by component alone: None of an operation.

    `succeeded` and `dead_letters` are what became of a task's deliveries, exactly; where none was settled,
    `succeeded` is None.
    """

    component: str
    operation: str | None
    calls: Calls
    errors: int
    waits: Calls
    succeeded: int | None = None
    retries: int | None = None
    timeouts: int | None = None
    dead_letters: int | None = None

    def as_json(self) -> dict[str, Any]:
        """With null where a figure is unknown."""
        return {
            "component": self.component,
            "operation": self.operation,
            "calls": self.calls.count,
            "succeeded": self.succeeded,
            "errors": self.errors,
            "average_ms": _rounded(self.calls.average_ms),
            **{f"p{part}_ms": _rounded(self.calls.quantile_ms(part / 100)) for part in (50, 95, 99)},
            **{f"wait_p{part}_ms": _rounded(self.waits.quantile_ms(part / 100)) for part in (50, 95, 99)},
            "retries": self.retries,
            "timeouts": self.timeouts,
            "dead_letters": self.dead_letters,
        }


def only(sums: Sums, components: Sequence[str]) -> Sums:
    """What there is of these components and tasks; of none, all."""
    if not components:
        return sums
    wanted = frozenset(components)
    return Sums(
        {key: calls for key, calls in sums.calls.items() if key.component in wanted},
        {key: count for key, count in sums.errors.items() if key[0] in wanted},
        {key: count for key, count in sums.events.items() if key[1] in wanted},
        {key: calls for key, calls in sums.waits.items() if key[1] in wanted},
        {key: count for key, count in sums.outcomes.items() if key.task in wanted},
    )


def busiest(sums: Iterable[Sums]) -> list[str]:
    """All components and tasks, what was called most first, or of what deliveries were settled most."""
    calls: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    others: set[str] = set()
    for each in sums:
        others |= _by_component(each).keys()
        for key, made in each.calls.items():
            calls[key.component] += made.count
        for outcome, count in each.outcomes.items():
            ended[outcome.task] += count
    return sorted(others, key=lambda name: (-max(calls[name], ended[name]), name))


def figures(sums: Sums, *, by_operation: bool) -> Iterator[Figures]:
    """Of each component, and where that is wanted then of each of its operations."""
    for component, of in sorted(_by_component(sums).items()):
        yield _whole(component, of)
        if by_operation:
            yield from _operations(component, of)


def _by_component(sums: Sums) -> dict[str, Sums]:
    """What there is of each: a component, or a task. Letters' topics are none."""
    found: defaultdict[str, Any] = defaultdict(lambda: Sums({}, {}, {}, {}, {}))
    for key, calls in sums.calls.items():
        found[key.component].calls[key] = calls
    for error, count in sums.errors.items():
        found[error[0]].errors[error] = count
    for event, count in sums.events.items():
        if event[0] != "dead_letter_message":
            found[event[1]].events[event] = count
    for where, calls in sums.waits.items():
        found[where[1]].waits[where] = calls
    for ended, count in sums.outcomes.items():
        found[ended.task].outcomes[ended] = count
    return found


def _whole(component: str, sums: Sums) -> Figures:
    return Figures(
        component,
        None,
        sums.of(),
        sums.of(status="error").count,
        joined(sums.waits.values()),
        _ended(sums, "succeeded") if sums.outcomes else None,
        sums.events_of("retry_attempt"),
        sums.events_of("timeout_failure"),
        _ended(sums, "dead_lettered"),
    )


def _ended(sums: Sums, outcome: Outcome) -> int:
    return sum(count for ended, count in sums.outcomes.items() if ended.outcome == outcome)


def _operations(component: str, sums: Sums) -> Iterator[Figures]:
    ended: defaultdict[str, list[Calls]] = defaultdict(list)
    errors: defaultdict[str, int] = defaultdict(int)
    for key, calls in sums.calls.items():
        ended[key.operation].append(calls)
        errors[key.operation] += calls.count if key.status == "error" else 0
    for operation, parts in sorted(ended.items()):
        yield Figures(component, operation, joined(parts), errors[operation], joined(()))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
