"""The series of the history: a number for each field that is counted, and a bound on how many there are."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

from psycopg import Connection

from monitoring.history.tiers import DAY_ROWS_DAYS
from monitoring.history.values import rest_of
from orchestrator.tally import fields

# How many a day may have: of names that are invented one by one, the rest of the day is one.
MOST_A_DAY = 10_000
_INSERT = """
    INSERT INTO metric_series (digest, field, kind, labels, seen_on) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (digest) DO UPDATE SET seen_on = excluded.seen_on RETURNING id"""


class Series:
    """Those that a transaction needs; `today` says when they are seen. One folds at a time."""

    def __init__(self, connection: Connection[Any], today: date) -> None:
        self._connection = connection
        self._today = today

    def numbers(self, named: Collection[str]) -> dict[str, int]:
        """Field → number. Where there are too many, several have one."""
        digests = {_digest(field): field for field in named}
        known = {
            bytes(digest): (number, seen)
            for number, digest, seen in self._connection.execute(
                "SELECT id, digest, seen_on FROM metric_series WHERE digest = ANY(%s)", (list(digests),)
            )
        }
        old = [number for number, seen in known.values() if seen < self._today]
        if old:
            self._connection.execute(
                "UPDATE metric_series SET seen_on = %s WHERE id = ANY(%s)", (self._today, old)
            )
        found = {digests[digest]: number for digest, (number, _) in known.items()}
        new = [field for field in digests.values() if field not in found]
        return found | (self._made(new) if new else {})

    def forget_old(self) -> None:
        """Remove those that no row is left of."""
        # Rows that are kept for longer than that are kept because the retention is.
        unseen = self._today - timedelta(days=DAY_ROWS_DAYS + 1)
        self._connection.execute(
            "DELETE FROM metric_series s WHERE seen_on < %s"
            " AND NOT EXISTS (SELECT FROM metric_rollups WHERE tier = 'day' AND series_id = s.id)",
            (unseen,),
        )

    def _made(self, new: list[str]) -> dict[str, int]:
        row = self._connection.execute(
            "SELECT count(*) FROM metric_series WHERE seen_on = %s", (self._today,)
        ).fetchone()
        room = max(0, MOST_A_DAY - (row[0] if row else 0))
        one_each = {field: field for field in new[:room]} | {field: rest_of(field) for field in new[room:]}
        numbers = {field: self._insert(field) for field in dict.fromkeys(one_each.values())}
        return {field: numbers[one] for field, one in one_each.items()}

    def _insert(self, field: str) -> int:
        kind, *labels = fields.parts(field)
        shown = [_storable(label) for label in labels]
        row = self._connection.execute(_INSERT, (_digest(field), field, kind, shown, self._today)).fetchone()
        assert row  # noqa: S101 (RETURNING)
        return int(row[0])


def _digest(field: str) -> bytes:
    return sha256(field.encode()).digest()


def _storable(label: str) -> str:
    return label.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
