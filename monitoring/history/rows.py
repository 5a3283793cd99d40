"""The rows of the history in PostgreSQL: values are added to what a period has, and old ones are deleted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from psycopg import Connection

from monitoring.history.tiers import TIERS, Span, Tier, minute_of, moment, oldest
from monitoring.history.values import added

# First minute of a period → series → value.
Values = Mapping[int, Mapping[int, str]]
# How long it is known what was folded. Redis keeps no window for more than a day, nor does a copy of it.
_FOLDS_DAYS = 30
_DELETED_AT_ONCE, _DELETIONS = 20_000, 10
# A row's place is one in the table of its tier: rows of others may have the same.
_DELETE = """
    DELETE FROM metric_rollups WHERE tier = %(tier)s AND ctid = ANY (ARRAY(
        SELECT ctid FROM metric_rollups WHERE tier = %(tier)s AND starts_at < %(before)s LIMIT %(most)s))"""


def add(connection: Connection[Any], tier: Tier, values: Values) -> int:
    """Add these to the rows of a tier; returns how many rows were written."""
    if not values:
        return 0
    known = _known(connection, tier, values)
    with connection.cursor() as cursor, cursor.copy("COPY metric_rollups FROM STDIN") as copy:
        for first, by_series in values.items():
            has = known.get(first, {})
            # Nothing in it has to be escaped: these are numbers.
            head = f"{tier}\t{moment(first).isoformat()}\t"
            lines = [
                f"{head}{series}\t{added([has[series], value]) if series in has else value}\n"
                for series, value in by_series.items()
            ]
            copy.write("".join(lines))
    return sum(map(len, values.values()))


def read(
    connection: Connection[Any], spans: Iterable[Span], about: Collection[str] = ()
) -> dict[str, list[str]]:
    """Field → its values in these periods, to be added up: of what has one of these labels, or of all."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for span in spans:
        first, end = span.bounds
        rows = connection.execute(
            "SELECT series_id, value FROM metric_rollups"
            " WHERE tier = %(tier)s AND starts_at >= %(first)s AND starts_at < %(end)s"
            " AND (%(about)s::text[] IS NULL"
            " OR series_id IN (SELECT id FROM metric_series WHERE labels && %(about)s))",
            {"tier": span.tier, "first": first, "end": end, "about": list(about) or None},
        )
        by_series: defaultdict[int, list[str]] = defaultdict(list)
        for series, value in rows:
            by_series[series].append(value)
        names = connection.execute(
            "SELECT id, field FROM metric_series WHERE id = ANY(%s)", (list(by_series),)
        )
        for series, field in names:
            found[field] += by_series[series]
    return found


def delete_old(connection: Connection[Any], now_minute: int, retention_hours: float) -> int:
    """Delete what is too old, in batches; the rest of a large backlog is left to the next time."""
    deleted = 0
    for tier in TIERS:
        before = moment(oldest(now_minute, retention_hours, tier))
        wanted = {"tier": tier, "before": before, "most": _DELETED_AT_ONCE}
        for _ in range(_DELETIONS):
            some = connection.execute(_DELETE, wanted).rowcount
            deleted += some
            if some < _DELETED_AT_ONCE:
                break
    connection.execute(
        "DELETE FROM metric_folds WHERE folded_at < clock_timestamp() - make_interval(days => %s)",
        (_FOLDS_DAYS,),
    )
    return deleted


def _known(connection: Connection[Any], tier: Tier, values: Values) -> dict[int, dict[int, str]]:
    """Take out the rows that there are of what is added to."""
    found: dict[int, dict[int, str]] = {}
    # Of most minutes there are none yet, which is quickly said.
    begun = connection.execute(
        "SELECT DISTINCT starts_at FROM metric_rollups WHERE tier = %s AND starts_at = ANY(%s)",
        (tier, [moment(first) for first in values]),
    ).fetchall()
    for (starts_at,) in begun:
        first = minute_of(starts_at)
        found[first] = dict(
            connection.execute(
                "DELETE FROM metric_rollups WHERE tier = %s AND starts_at = %s AND series_id = ANY(%s)"
                " RETURNING series_id, value",
                (tier, starts_at, list(values[first])),
            ).fetchall()
        )
    return found
