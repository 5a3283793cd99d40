"""Asks PostgreSQL what became of the deliveries that were sent, for no longer than the patience lasts."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Self

import psycopg
from psycopg.rows import TupleRow

from orchestrator import postgres, settings
from tasks.hooks.ingest.patience import Patience

_ASK = "SELECT delivery_id, status, duplicates, settled_at FROM hook_events WHERE delivery_id = ANY(%s)"
_CHUNK = 1000
# A server that takes longer to answer is one that is away.
_ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Row:
    """What `hook_events` says of a delivery."""

    status: str
    duplicates: int
    settled_at: datetime


@dataclass(frozen=True, slots=True)
class _Awaited:
    """What has to be seen in a delivery's row before all of its messages count as worked off."""

    duplicates: int = 0
    failed_at: datetime | None = None

    def is_seen_in(self, row: Row) -> bool:
        if row.status == "failed":
            return row.settled_at != self.failed_at
        return row.duplicates >= self.duplicates


class Settling:
    """The deliveries that were sent and are not settled yet, and what became of the others."""

    def __init__(self, patience: Patience, note: Callable[[str], None]) -> None:
        self._patience = patience
        self._note = note
        self._connection: psycopg.Connection[TupleRow] | None = None
        self._awaited: dict[str, _Awaited] = {}
        self.outcomes: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection:
            self._connection.close()

    def __len__(self) -> int:
        return len(self._awaited)

    def known(self, ids: Sequence[str]) -> dict[str, Row]:
        """The rows of those deliveries that are settled already."""
        return self._patience.persist(
            lambda: self._ask(ids), (psycopg.OperationalError,), "PostgreSQL", self._note
        )

    def expect(self, delivery_id: str, row: Row | None) -> bool:
        """Wait for a delivery that is being sent; `row` is what is known of it. True where it is new."""
        awaited = self._awaited.get(delivery_id)
        if awaited:
            self._awaited[delivery_id] = replace(awaited, duplicates=awaited.duplicates + 1)
        elif row is None:
            self._awaited[delivery_id] = _Awaited()
        elif row.status == "failed":
            self._awaited[delivery_id] = _Awaited(row.duplicates, failed_at=row.settled_at)
        else:
            self._awaited[delivery_id] = _Awaited(row.duplicates + 1)
        return awaited is None and row is None

    def look(self) -> None:
        """Ask once for everything that is awaited, and count what is settled."""
        awaited = iter(tuple(self._awaited))
        while ids := list(islice(awaited, _CHUNK)):
            for delivery_id, row in self.known(ids).items():
                if self._awaited[delivery_id].is_seen_in(row):
                    del self._awaited[delivery_id]
                    self.outcomes[row.status] += 1

    def _ask(self, ids: Sequence[str]) -> dict[str, Row]:
        seconds = min(self._patience.seconds, _ANSWER_SECONDS)
        if self._connection is None or self._connection.closed:
            # Not one of the pool: that waits for a server that is away, however short the patience is.
            self._connection = postgres.connect(settings.current().database_url, seconds)
        with postgres.cut_off_after(seconds, self._connection):
            rows = self._connection.execute(_ASK, (list(ids),)).fetchall()
        return {delivery_id: Row(*rest) for delivery_id, *rest in rows}
