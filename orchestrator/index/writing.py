"""Writes deaths into the index: each once, whatever the order in which they come, and none is dropped.

A letter's own columns are those of its latest death. A new death opens its letter, or parks it when it was
replayed too often; a death that is known changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import Connection, sql

from orchestrator.deadletter.death import Death
from orchestrator.index import fitting, statements
from orchestrator.index.offsets import Advance, Place, advance
from orchestrator.postgres import nested

Row = list[Any]

_ID, _LETTER_ID, _REPLAY, _DIED_AT = (
    list(fitting.DEATH_COLUMNS).index(name) for name in ("id", "letter_id", "replay", "died_at")
)
_PLACE = slice(
    list(fitting.DEATH_COLUMNS).index("topic"), list(fitting.DEATH_COLUMNS).index("record_offset") + 1
)
_TYPES = [*fitting.DEATH_COLUMNS.values(), *fitting.LETTER_COLUMNS.values()]
# What a row's content can cause, and no state of the server.
_REFUSALS = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)


@dataclass(frozen=True)
class Written:
    """How many letters and deaths are new, and how many known deaths were not what their records say.

    `forgotten` ones belong to closed letters that the retention has deleted.
    """

    letters: int = 0
    deaths: int = 0
    rewritten: int = 0
    forgotten: int = 0

    def __add__(self, other: Written) -> Written:
        return Written(
            self.letters + other.letters,
            self.deaths + other.deaths,
            self.rewritten + other.rewritten,
            self.forgotten + other.forgotten,
        )


def write(
    connection: Connection[Any],
    deaths: Sequence[Death],
    offsets: Mapping[Place, Advance] | None = None,
    *,
    max_replays: int,
    rewrite: bool = False,
) -> int:
    """Index deaths; returns how many of them are new. See `write_counted`."""
    return write_counted(connection, deaths, offsets, max_replays=max_replays, rewrite=rewrite).deaths


def write_counted(
    connection: Connection[Any],
    deaths: Sequence[Death],
    offsets: Mapping[Place, Advance] | None = None,
    *,
    max_replays: int,
    rewrite: bool = False,
) -> Written:
    """Index deaths, and store in the same transaction how far their partitions have been read.

    `rewrite` makes the own columns of known ones what their records say; state and history stay. A death that
    PostgreSQL refuses is stored with as much as it takes.

    Raises:
        OvertakenIndexer: another indexer has gone on from `offsets`; nothing is written.
    """
    rows = _once_each(map(fitting.row, deaths))

    def attempt(some: Sequence[Row]) -> Written:
        return _Batch(connection, max_replays, rewrite=rewrite).write(some)

    with nested(connection):
        advance(connection, offsets or {})
        return _bit_by_bit(connection, rows, attempt) if rows else Written()


def _once_each(rows: Iterable[Row]) -> list[Row]:
    """Of a death that was told more than once the record that came first."""
    first: dict[str, Row] = {}
    for each in rows:
        known = first.setdefault(each[_ID], each)
        if known is not each and _place(each) < _place(known):
            first[each[_ID]] = each
    return list(first.values())


def _place(each: Row) -> tuple[str, int, int]:
    topic, partition, offset = each[_PLACE]
    return (topic or "", partition or 0, offset or 0)


def _bit_by_bit(
    connection: Connection[Any], rows: Sequence[Row], attempt: Callable[[Sequence[Row]], Written]
) -> Written:
    """All at once; by halves what is refused, so that one bad row costs some attempts and not a batch."""
    try:
        with nested(connection):
            return attempt(rows)
    except _REFUSALS as refused:
        if len(rows) == 1:
            return _one(connection, rows[0], attempt, refused)
    half = len(rows) // 2
    return _bit_by_bit(connection, rows[:half], attempt) + _bit_by_bit(connection, rows[half:], attempt)


def _one(
    connection: Connection[Any], row: Row, attempt: Callable[[Sequence[Row]], Written], refused: psycopg.Error
) -> Written:
    """With as much as PostgreSQL takes; as it is where the retention has deleted its letter just then."""
    if isinstance(refused, psycopg.IntegrityError):
        try:
            with nested(connection):
                return attempt([row])
        except _REFUSALS as again:
            refused = again
    return attempt([fitting.least(row, str(refused))])


class _Batch:
    def __init__(self, connection: Connection[Any], max_replays: int, *, rewrite: bool) -> None:
        self._connection = connection
        self._most = {"max_replays": max_replays}
        self._rewrite = rewrite

    def write(self, rows: Sequence[Row]) -> Written:
        kept = self._remembered(rows)
        if not kept:
            return Written(forgotten=len(rows))
        self._copy(kept)
        letters = {each[_LETTER_ID] for each in kept}
        new_letters = self._ids(statements.ADD_LETTERS)
        known = sorted(letters - new_letters)
        if known:
            # Others that write deaths of the same letters wait here, and then see what was written.
            self._connection.execute(statements.LOCK_LETTERS, {"known": known})
        new = sorted(self._ids(statements.ADD_DEATHS))
        if new_letters and len(new) < len(kept):
            self._execute(statements.DROP_EMPTY_LETTERS, new_letters=list(new_letters))
        rewritten = self._execute(statements.REWRITE_DEATHS, new=new) if self._rewrite else 0
        if known:
            considered = [each[_ID] for each in kept] if self._rewrite else new
            self._execute(statements.UPDATE_LETTERS, known=known, considered=considered)
            self._execute(statements.REOPEN_LETTERS, known=known, new=new)
        self._execute(statements.ADD_HISTORY, new=new)
        return Written(len(new_letters), len(new), rewritten, len(rows) - len(kept))

    def _remembered(self, rows: Sequence[Row]) -> list[Row]:
        ids = {"ids": [each[_LETTER_ID] for each in rows]}
        closed: dict[str, datetime] = dict(self._connection.execute(statements.TOMBSTONES, ids).fetchall())
        if not closed:
            return list(rows)
        return [
            each
            for each in rows
            if each[_LETTER_ID] not in closed or each[_DIED_AT] > closed[each[_LETTER_ID]]
        ]

    def _copy(self, rows: Sequence[Row]) -> None:
        self._connection.execute(statements.EMPTY_INCOMING)
        with self._connection.cursor() as cursor, cursor.copy(statements.COPY_INCOMING) as copy:
            copy.set_types(_TYPES)
            for each in rows:
                copy.write_row(each)

    def _ids(self, statement: sql.SQL | sql.Composed) -> set[str]:
        return {row[0] for row in self._connection.execute(statement, self._most)}

    def _execute(self, statement: sql.SQL | sql.Composed, **parameters: Any) -> int:
        cursor = self._connection.execute(statement, self._most | parameters)
        return max(cursor.rowcount, 0)
