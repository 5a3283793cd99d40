"""Counts what became of the hooks, from PostgreSQL."""

from dataclasses import dataclass

from orchestrator import postgres

_COUNT = """
    SELECT count(*),
           count(*) FILTER (WHERE status = 'processed'),
           count(*) FILTER (WHERE status = 'unhandled'),
           count(*) FILTER (WHERE status = 'failed'),
           coalesce(sum(duplicates), 0)::bigint
    FROM hook_events
"""


@dataclass(frozen=True)
class Stats:
    """`received` is the sum of the next three; `duplicates` are deliveries that came again."""

    received: int
    processed: int
    unhandled: int
    failed: int
    duplicates: int


def count() -> Stats:
    """Count all hooks that are kept."""
    with postgres.transaction() as connection:
        row = connection.execute(_COUNT).fetchone() or (0, 0, 0, 0, 0)
    return Stats(*row)
