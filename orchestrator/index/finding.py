"""Finds letters by a filter, the newest first, page by page."""

from __future__ import annotations

import base64
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection, sql
from psycopg.rows import class_row

from orchestrator.errors import InvalidFilter
from orchestrator.index.access import queries
from orchestrator.index.filters import Filter


@dataclass(frozen=True)
class Letter:
    """A row of dead_letters."""

    id: str
    task_id: str
    task: str
    queue: str
    correlation_id: str
    reason: str
    exception: str
    message: str
    fingerprint: str
    worker: str
    attempts: int
    replays: int
    first_failed_at: datetime
    died_at: datetime
    is_foreign: bool
    topic: str | None
    state: str
    state_at: datetime
    replay: int
    batch_id: UUID | None
    batch_position: int | None


@dataclass(frozen=True)
class Page:
    """Some letters, and the cursor of what comes after them: empty where nothing does."""

    letters: list[Letter]
    next: str


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = sql.SQL(", ").join(sql.Identifier(field.name) for field in fields(Letter))


def find(connection: Connection[Any], filter_: Filter, most: int, after: str = "") -> Page:
    """A page of `most` letters, after the cursor of another page of the same filter.

    What is added meanwhile moves no other letter to another page.

    Raises:
        InvalidFilter: `after` is no cursor.
    """
    before = _read_cursor(after) if after else None
    letters: list[Letter] = []
    with connection.cursor(row_factory=class_row(Letter)) as cursor:
        for query, parameters in queries(connection, _COLUMNS, filter_, most + 1, before):
            # Never prepared: the plan depends on how common the values are.
            letters = cursor.execute(query, parameters, prepare=False).fetchall()
            if len(letters) > most:
                break
    return Page(letters[:most], _cursor(letters[most - 1]) if len(letters) > most else "")


def count(connection: Connection[Any], filter_: Filter) -> int:
    """How many letters there are."""
    condition, parameters = filter_.where()
    query = sql.SQL("SELECT count(*) FROM dead_letters WHERE {}").format(condition)
    row = connection.execute(query, parameters, prepare=False).fetchone()
    return int(row[0]) if row else 0


def count_some(connection: Connection[Any], filter_: Filter, most: int) -> int:
    """How many letters there are, but not more than `most`, up to which it is as fast as finding them."""
    found = 0
    for query, parameters in queries(connection, sql.SQL("died_at, id"), filter_, most, None):
        found = len(connection.execute(query, parameters, prepare=False).fetchall())
        if found >= most:
            break
    return found


def _cursor(letter: Letter) -> str:
    place = f"{(letter.died_at - _EPOCH) // timedelta(microseconds=1)} {letter.id}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _read_cursor(text: str) -> tuple[datetime, str]:
    try:
        padded = text + "=" * (-len(text) % 4)
        place = base64.b64decode(padded.encode(), altchars=b"-_", validate=True).decode()
        microseconds, _, identifier = place.partition(" ")
        died_at = _EPOCH + timedelta(microseconds=int(microseconds))
    except (ValueError, OverflowError):
        raise InvalidFilter("this is no cursor: take the one that the page before ends with") from None
    return died_at, identifier.replace("\0", "")
