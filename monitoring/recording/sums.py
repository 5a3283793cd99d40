"""Sums of what was measured: frozen, and whatever the order, they merge by addition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeVar

from monitoring.recording.buckets import quantile_seconds

Status = Literal["success", "error"]
K = TypeVar("K")


class Key(NamedTuple):
    """Whose calls, of which operation, and how they ended."""

    component: str
    operation: str
    status: Status


@dataclass(frozen=True, slots=True)
class Calls:
    """How many, their durations' sum in microseconds, and how many in each bucket of the grid.

    The shortest and the longest of them are known in whole microseconds; both are 0 where there are none.
    """

    count: int
    micros: int
    buckets: Mapping[int, int]
    least_micros: int
    most_micros: int

    def quantile_ms(self, share: float) -> float | None:
        """The duration that this share of them does not exceed; None where there are none."""
        seconds = quantile_seconds(self.buckets, share, self.least_micros / 1e6, self.most_micros / 1e6)
        return None if seconds is None else seconds * 1000

    @property
    def average_ms(self) -> float | None:
        """Their mean duration; None where there are none."""
        return self.micros / 1000 / self.count if self.count else None


class Ended(NamedTuple):
    """Which task, from which queue, and what became of a delivery of it: see `orchestrator.tally.fields`."""

    task: str
    queue: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sums:
    """Calls by key, errors by (component, type), events by (kind, component or topic).

    `waits` has how long tasks waited for their first start, by (queue, task); `outcomes` what became of
    deliveries, as their settlements have counted it. Retries and letters among these are in `events` too.
    """

    calls: Mapping[Key, Calls] = field(default_factory=dict)
    errors: Mapping[tuple[str, str], int] = field(default_factory=dict)
    events: Mapping[tuple[str, str], int] = field(default_factory=dict)
    waits: Mapping[tuple[str, str], Calls] = field(default_factory=dict)
    outcomes: Mapping[Ended, int] = field(default_factory=dict)

    def __add__(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(
            _merged(self.calls, other.calls),
            added(self.errors, other.errors),
            added(self.events, other.events),
            _merged(self.waits, other.waits),
            added(self.outcomes, other.outcomes),
        )

    def of(self, component: str | None = None, status: Status | None = None) -> Calls:
        """All calls, or those of a component, or those that ended so."""
        return joined(
            calls
            for key, calls in self.calls.items()
            if (component is None or key.component == component) and (status is None or key.status == status)
        )

    def count(self, component: str | None = None, status: Status | None = None) -> int:
        """How many calls `of` has, without their durations."""
        return sum(
            calls.count
            for key, calls in self.calls.items()
            if (component is None or key.component == component) and (status is None or key.status == status)
        )

    def components(self) -> Iterator[str]:
        """Those that were called."""
        yield from sorted({key.component for key in self.calls})

    def events_of(self, kind: str) -> int:
        """How many events of a kind there were."""
        return sum(count for (of, _), count in self.events.items() if of == kind)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a source knows at a moment.

    `total` holds all since its beginning, and never falls; `minutes` by the minute of Unix time what is still
    kept (of what is older, a quarter of an hour stands at its last minute). `minute` is the present one.
    `whole` is all that is kept, where that is more than `minutes` have. `refused` counts what was no measure,
    `overflowed` what was summed under another name than its own. `trouble` says what could not be found out,
    and why: the figures are then those of this process alone.
    """

    minute: int
    uptime_seconds: float
    total: Sums = field(default_factory=Sums)
    minutes: Mapping[int, Sums] = field(default_factory=dict)
    refused: int = 0
    overflowed: int = 0
    whole: Sums | None = None
    trouble: str = ""

    def __add__(self, other: Snapshot) -> Snapshot:
        """Both together: what two processes know."""
        minutes = dict(self.minutes)
        for minute, sums in other.minutes.items():
            minutes[minute] = minutes[minute] + sums if minute in minutes else sums
        return Snapshot(
            max(self.minute, other.minute),
            max(self.uptime_seconds, other.uptime_seconds),
            self.total + other.total,
            minutes,
            self.refused + other.refused,
            self.overflowed + other.overflowed,
            None if self.whole is None and other.whole is None else self.kept() + other.kept(),
            self.trouble or other.trouble,
        )

    def kept(self) -> Sums:
        """All that is kept, together."""
        return together(self.minutes.values()) if self.whole is None else self.whole

    def recent(self, minutes: int) -> Sums:
        """What was measured in the present minute and in so many before it."""
        return together(sums for minute, sums in self.minutes.items() if minute >= self.minute - minutes)


def together(sums: Iterable[Sums]) -> Sums:
    """Their sum, made in one go."""
    calls: dict[Key, list[Calls]] = {}
    waits: dict[tuple[str, str], list[Calls]] = {}
    errors: dict[tuple[str, str], int] = {}
    events: dict[tuple[str, str], int] = {}
    outcomes: dict[Ended, int] = {}
    for each in sums:
        for key, some in each.calls.items():
            calls.setdefault(key, []).append(some)
        for where, some in each.waits.items():
            waits.setdefault(where, []).append(some)
        _add(errors, each.errors)
        _add(events, each.events)
        _add(outcomes, each.outcomes)
    return Sums(
        {key: _whole(parts) for key, parts in calls.items()},
        errors,
        events,
        {where: _whole(parts) for where, parts in waits.items()},
        outcomes,
    )


def _whole(parts: list[Calls]) -> Calls:
    return parts[0] if len(parts) == 1 else joined(parts)


def joined(parts: Iterable[Calls]) -> Calls:
    """All these calls."""
    count = micros = least = most = 0
    buckets: dict[int, int] = {}
    for part in parts:
        if not part.count:
            continue
        least = min(least, part.least_micros) if count else part.least_micros
        most = max(most, part.most_micros)
        count += part.count
        micros += part.micros
        _add(buckets, part.buckets)
    return Calls(count, micros, buckets, least, most)


def added(some: Mapping[K, int], more: Mapping[K, int]) -> dict[K, int]:
    """The counts of both."""
    counts = dict(some)
    _add(counts, more)
    return counts


def _merged(some: Mapping[K, Calls], more: Mapping[K, Calls]) -> dict[K, Calls]:
    both = dict(some)
    for key, calls in more.items():
        both[key] = joined([both[key], calls]) if key in both else calls
    return both


def _add(counts: dict[K, int], more: Mapping[K, int]) -> None:
    for key, count in more.items():
        counts[key] = counts.get(key, 0) + count
