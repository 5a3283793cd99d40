"""Reads the history: by period, or all of a time together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from monitoring.history import rows
from monitoring.history.tiers import Tier, minute_of, moment, spans, start
from monitoring.history.values import added
from monitoring.recording.sums import Sums
from monitoring.rollup.encoding import read
from orchestrator import settings

# How long a time may be for its minutes, or its hours, to be read unless a tier is asked for.
_MOST_MINUTES: dict[Tier, int] = {"minute": 6 * 60, "hour": 14 * 1440}


@dataclass(frozen=True)
class Period:
    """The sums of a minute, an hour or a day, in UTC."""

    tier: Tier
    starts_at: datetime
    sums: Sums


def series(
    connection: Connection[Any],
    since: datetime,
    until: datetime | None = None,
    tier: Tier | None = None,
    component: str | None = None,
) -> list[Period]:
    """The periods that begin before the minute that `until` is in (None: all), from the one of `since` on.

    Without a tier they are minutes up to six hours, hours up to two weeks, or else days. Periods in which
    nothing was counted are left out. Of a component: what has it, or a task of that name, among its labels.
    """
    tier = tier or _fitting(since, until or datetime.now(UTC))
    found = by_period(connection, since, until, tier, () if component is None else (component,))
    return [Period(tier, moment(first), read(of)) for first, of in sorted(found.items())]


def by_period(
    connection: Connection[Any],
    since: datetime,
    until: datetime | None,
    tier: Tier,
    about: Collection[str] = (),
) -> dict[int, dict[str, str]]:
    """First minute of a period → its sums as fields and values, of what has one of these labels or of all."""
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for starts_at, field, value in connection.execute(
        "SELECT r.starts_at, s.field, r.value"
        " FROM metric_rollups r JOIN metric_series s ON s.id = r.series_id"
        " WHERE r.tier = %(tier)s AND r.starts_at >= %(first)s AND r.starts_at < %(end)s"
        " AND (%(about)s::text[] IS NULL OR s.labels && %(about)s)",
        {
            "tier": tier,
            "first": moment(start(minute_of(since), tier)),
            "end": "infinity" if until is None else moment(minute_of(until)),
            "about": list(about) or None,
        },
    ):
        found[minute_of(starts_at)][field] = value
    return found


def totals(connection: Connection[Any], since: datetime, until: datetime | None = None) -> Sums:
    """All that is in the history from the minute that `since` is in to before that of `until` (None: now).

    Where there are no rows of minutes any more it begins with the hour, or the day, that `since` is in.
    """
    return read(of_time(connection, since, until))


def of_time(
    connection: Connection[Any],
    since: datetime,
    until: datetime | None = None,
    about: Collection[str] = (),
) -> dict[str, str]:
    """The same as `totals`, as fields and values: of what has one of these labels, or of all."""
    now = datetime.now(UTC)
    end = minute_of(now) + 1 if until is None else minute_of(until)
    retention_hours = settings.current().perf_monitor_retention_hours
    covering = spans(minute_of(since), end, minute_of(now), retention_hours)
    return {field: added(values) for field, values in rows.read(connection, covering, about).items()}


def together(hashes: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The sums of what has the same fields."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for each in hashes:
        for field, value in each.items():
            found[field].append(value)
    return {field: added(values) for field, values in found.items()}


def _fitting(since: datetime, until: datetime) -> Tier:
    minutes = (until - since).total_seconds() / 60
    return next((tier for tier, most in _MOST_MINUTES.items() if minutes <= most), "day")
