"""Folding: what was counted in minutes that are over moves from Redis to PostgreSQL, each window of it once.

Every step may be the last one: windows are made, their sums are written in one transaction with the fact
that they are, and only then do they leave those that wait. Whoever comes next finds in PostgreSQL which ones
have been folded.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import Connection

from monitoring.history import rows
from monitoring.history.batch import Batch
from monitoring.history.series import Series
from monitoring.history.tiers import moment, oldest, spans
from monitoring.history.values import added
from monitoring.history.windows import Window, Windows
from orchestrator import broker, postgres
from orchestrator.errors import PostgresUnavailable
from orchestrator.settings import Settings

# Any constant will do, as long as it stays and is nobody else's: it names the lock in the database.
LOCK_ID = 0x6F6D6E6D
# After that what still waits is left to the next time; a server that is frozen is given up. In seconds.
ENOUGH_SECONDS, _LONGEST_SECONDS = 45.0, 120.0
# What a transaction takes at once, in fields of windows: a minute has 10,000 at most.
_FIELDS_AT_ONCE = 50_000
THROUGH = "through"


@dataclass(frozen=True)
class Folded:
    """What was done. `is_alone` is False where somebody else folds: then it is nothing.

    `windows` were folded, `skipped` had been before, `lost` were gone before they could be: they had waited
    for more than a day. `rows` of all tiers were written and `deleted`; `unreadable` values were left out,
    and the totals were cleared of so many names that are gone (`forgotten`).
    """

    is_alone: bool = True
    windows: int = 0
    skipped: int = 0
    lost: int = 0
    rows: int = 0
    unreadable: int = 0
    deleted: int = 0
    forgotten: int = 0
    seconds: float = 0.0


def fold(settings: Settings, *, now: bool = False) -> Folded:
    """Fold what waits, delete what is too old, and tell Redis anew what is kept.

    Minutes wait until they are over. With `now` the present one does not: all that was counted until this
    moment is then in the history, and what is counted after it is of the same minute's next window.

    Raises:
        PostgresUnavailable: PostgreSQL does not answer, went away, or refuses, as a standby does: what is not
            folded waits, for a day.
        redis.exceptions.RedisError: the broker's Redis does not answer.
    """
    began = time.monotonic()
    with broker.client(settings, decode=True) as client:
        windows = Windows(client, settings.key_prefix)
        # Also while PostgreSQL is away: how many wait is then to be seen.
        present = windows.seal(is_over=not now)
        try:
            with (
                postgres.connect(settings.database_url) as connection,
                postgres.cut_off_after(_LONGEST_SECONDS, connection),
                _alone(connection) as is_alone,
            ):
                if not is_alone:
                    return Folded(is_alone=False)
                done = _Fold(connection, windows, present, settings.perf_monitor_retention_hours).run()
        except psycopg.Error as error:
            raise PostgresUnavailable(str(error).partition("\n")[0]) from error
    return replace(done, seconds=time.monotonic() - began)


class _Fold:
    """One time of it, by who is alone."""

    def __init__(
        self, connection: Connection[Any], windows: Windows, present: int, retention_hours: float
    ) -> None:
        self._connection = connection
        self._windows = windows
        self._present = present
        self._retention_hours = retention_hours
        self._series = Series(connection, moment(present).date())
        # What no longer has to wait.
        self._ended: list[Window] = []
        self._done = Folded()

    def run(self) -> Folded:
        """Returns what was done."""
        # Before the look at what waits: who has the token last has seen the newest.
        token = self._windows.begin()
        self._fold(self._windows.waiting())
        with self._connection.transaction():
            deleted = rows.delete_old(self._connection, self._present, self._retention_hours)
            self._series.forget_old()
        _, forgotten = self._windows.finish(token, self._ended, self._kept())
        self._count(deleted=deleted, forgotten=forgotten)
        return self._done

    def _fold(self, waiting: list[Window]) -> None:
        enough_at = time.monotonic() + ENOUGH_SECONDS
        new = self._new(waiting)
        self._count(skipped=len(self._ended))
        for batch in self._batches(new):
            with self._connection.transaction():
                written = batch.write(self._connection, self._series)
            self._count(windows=len(batch.windows), rows=written)
            self._ended += batch.windows
            if time.monotonic() > enough_at:
                break

    def _count(self, **more: int) -> None:
        so_far = {name: getattr(self._done, name) + number for name, number in more.items()}
        self._done = replace(self._done, **so_far)

    def _new(self, waiting: list[Window]) -> list[Window]:
        found = self._connection.execute(
            "SELECT minute, window_id FROM metric_folds WHERE minute = ANY(%s)",
            ([window.minute for window in waiting],),
        )
        folded = {Window(*row) for row in found}
        self._ended += [window for window in waiting if window in folded]
        return [window for window in waiting if window not in folded]

    def _batches(self, windows: Iterable[Window]) -> Iterator[Batch]:
        first_minute = oldest(self._present, self._retention_hours, "minute")
        batch = Batch(first_minute)
        for window, stored in self._windows.read(windows):
            if not stored:
                self._count(lost=1)
                self._ended.append(window)
                continue
            self._count(unreadable=batch.take(window, stored))
            if batch.fields >= _FIELDS_AT_ONCE:
                yield batch
                batch = Batch(first_minute)
        if batch.windows:
            yield batch

    def _kept(self) -> dict[str, str]:
        since = oldest(self._present, self._retention_hours, "minute")
        covering = spans(since, self._present + 1, self._present, self._retention_hours)
        found = rows.read(self._connection, covering)
        return {field: added(values) for field, values in found.items()} | {THROUGH: str(self._present)}


@contextmanager
def _alone(connection: Connection[Any]) -> Iterator[bool]:
    """Whether nobody else folds; the server lets go of the lock when its owner dies.

    An owner that is frozen, or whose host is gone, is one that is idle for too long.
    """
    limit = f"{_LONGEST_SECONDS * 1000:.0f}"
    for of in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
        connection.execute("SELECT set_config(%s, %s, false)", (of, limit))
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK_ID,)).fetchone()
    is_alone = bool(row and row[0])
    yield is_alone
    if is_alone:
        connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK_ID,))
