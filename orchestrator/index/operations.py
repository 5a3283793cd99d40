"""Who did what with dead letters, when, why, and to how many: written by whatever changes them."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Json

from orchestrator.storable import clean


@dataclass(frozen=True)
class Operation:
    """One command or call. Without `finished_at` it is under way, or was killed."""

    id: UUID
    action: str
    who: str
    why: str
    filter: dict[str, Any]
    options: dict[str, Any]
    letters: int
    started_at: datetime
    finished_at: datetime | None


_NAMED: LiteralString = """
    SELECT id, action, who, why, filter, options, letters, started_at, finished_at
    FROM dead_letter_operations WHERE id = %s"""
_RECENT: LiteralString = """
    SELECT id, action, who, why, filter, options, letters, started_at, finished_at
    FROM dead_letter_operations ORDER BY started_at DESC LIMIT %s"""


def identity() -> str:
    """The user of the operating system and the host, as in `ada@laptop`."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container, a user need not have a name
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def begin(  # noqa: PLR0917 (the columns, in their order)
    connection: Connection[Any],
    action: str,
    who: str,
    why: str,
    filter_json: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    identifier: UUID | None = None,
) -> UUID:
    """Write down that it begins; commit it before the first letter is changed.

    One that has begun already, under the `identifier` that it is given, goes on as it is.
    """
    identifier = identifier or uuid4()
    connection.execute(
        "INSERT INTO dead_letter_operations (id, action, who, why, filter, options)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING",
        (identifier, action, clean(who), clean(why), Json(dict(filter_json)), Json(dict(options))),
    )
    return identifier


def add(connection: Connection[Any], operation_id: UUID, letters: int) -> None:
    """Count letters that are changed in this transaction."""
    connection.execute(
        "UPDATE dead_letter_operations SET letters = letters + %s WHERE id = %s", (letters, operation_id)
    )


def finish(connection: Connection[Any], operation_id: UUID) -> None:
    """Write down that it has ended."""
    connection.execute(
        "UPDATE dead_letter_operations SET finished_at = clock_timestamp() WHERE id = %s", (operation_id,)
    )


def named(connection: Connection[Any], identifier: UUID) -> Operation | None:
    """One of them; None where there is none of that id."""
    with connection.cursor(row_factory=class_row(Operation)) as cursor:
        return cursor.execute(_NAMED, (identifier,)).fetchone()


def recent(connection: Connection[Any], most: int) -> list[Operation]:
    """The latest operations, the newest first."""
    with connection.cursor(row_factory=class_row(Operation)) as cursor:
        return cursor.execute(_RECENT, (most,)).fetchall()
