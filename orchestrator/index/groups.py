"""Letters by what went wrong: one group a fingerprint, with how many, since when, and how it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, sql
from psycopg.rows import class_row

from orchestrator.index.filters import Filter
from orchestrator.index.states import STATES

HOURS = 24

_GROUPS = sql.SQL("""
    WITH grouped AS (
        SELECT fingerprint, count(*) AS letters, count(*) FILTER (WHERE state = 'open') AS open,
               min(first_failed_at) AS first_seen, max(died_at) AS last_seen
        FROM dead_letters WHERE {condition}
        GROUP BY fingerprint ORDER BY letters DESC, last_seen DESC LIMIT %s
    )
    SELECT g.fingerprint, e.exception, e.reason, e.task, e.message, g.letters, g.open, g.first_seen,
           g.last_seen, t.trend
    FROM grouped g
    CROSS JOIN LATERAL (
        SELECT exception, reason, task, message FROM dead_letters
        WHERE fingerprint = g.fingerprint AND state = ANY(%s) AND died_at = g.last_seen AND {condition}
        LIMIT 1
    ) e
    CROSS JOIN LATERAL (
        SELECT array_agg(coalesce(n, 0)::integer ORDER BY hours_ago DESC) AS trend
        FROM generate_series(0, %s) AS hours_ago
        LEFT JOIN (
            SELECT floor(extract(epoch FROM now() - died_at) / 3600)::integer AS hours_ago, count(*) AS n
            FROM dead_letters
            WHERE fingerprint = g.fingerprint AND state = ANY(%s) AND {condition}
              AND died_at > now() - interval '1 hour' * %s
            GROUP BY 1
        ) counted USING (hours_ago)
    ) t
    ORDER BY g.letters DESC, g.last_seen DESC""")


@dataclass(frozen=True)
class Group:
    """Letters of one fingerprint: `open` of `letters`; exception, reason, task and message are the latest's.

    `trend` counts those that died in each of the last 24 hours, the oldest first.
    """

    fingerprint: str
    exception: str
    reason: str
    task: str
    message: str
    letters: int
    open: int
    first_seen: datetime
    last_seen: datetime
    trend: list[int]


def groups(connection: Connection[Any], filter_: Filter, most: int) -> list[Group]:
    """The groups of the letters that the filter finds, the largest first."""
    condition, parameters = filter_.where()
    # Every state is named because it comes before the time in the index.
    states = list(STATES)
    values = [*parameters, most, states, *parameters, HOURS - 1, states, *parameters, HOURS]
    with connection.cursor(row_factory=class_row(Group)) as cursor:
        return cursor.execute(_GROUPS.format(condition=condition), values, prepare=False).fetchall()
