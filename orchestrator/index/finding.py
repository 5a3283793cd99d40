"""Finds letters by a filter, the newest first, page by page."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Connection, sql
from psycopg.rows import class_row

from orchestrator.deadletter.death import moment
from orchestrator.errors import InvalidFilter
from orchestrator.index.access import queries
from orchestrator.index.filters import Filter
from orchestrator.storable import is_clean


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
    place = json.dumps([letter.died_at.isoformat(), letter.id])
    return base64.urlsafe_b64encode(place.encode()).decode()


def _read_cursor(text: str) -> tuple[datetime, str]:
    try:
        died_at, identifier = json.loads(base64.b64decode(text.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        died_at, identifier = None, None
    at = moment(died_at)
    if at is None or not isinstance(identifier, str) or not is_clean(identifier):
        raise InvalidFilter("this is no cursor: take the one that the page before ends with")
    return at, identifier
