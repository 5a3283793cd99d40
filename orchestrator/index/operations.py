"""Who did what with dead letters, when, why, and to how many: written by whatever changes them."""

from __future__ import annotations

import os
import pwd
import re
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
    FROM dead_letter_operations WHERE letters > 0 OR finished_at IS NULL
    ORDER BY started_at DESC LIMIT %s"""
_BEGINNING: LiteralString = """
    SELECT id, action, who, why, filter, options, letters, started_at, finished_at
    FROM dead_letter_operations WHERE id BETWEEN %s AND %s AND action = %s LIMIT 2"""
FEWEST_DIGITS = 8
_DIGITS = re.compile(rf"[0-9a-f]{{{FEWEST_DIGITS},32}}")


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


def digits(name: str) -> str:
    """The digits of an id, or its first ones; none where they are too few, or it is no such thing."""
    bare = name.strip().replace("-", "").lower()
    return bare if _DIGITS.fullmatch(bare) else ""


def beginning(connection: Connection[Any], name: str, action: str) -> list[Operation]:
    """Two of those, at most, whose ids begin with this, 8 digits at least; none where it is no such thing."""
    known = digits(name)
    if not known:
        return []
    first, last = UUID(known.ljust(32, "0")), UUID(known.ljust(32, "f"))
    with connection.cursor(row_factory=class_row(Operation)) as cursor:
        return cursor.execute(_BEGINNING, (first, last, action)).fetchall()


def recent(connection: Connection[Any], most: int) -> list[Operation]:
    """The latest operations, the newest first; not those that came to their end and changed no letter."""
    with connection.cursor(row_factory=class_row(Operation)) as cursor:
        return cursor.execute(_RECENT, (most,)).fetchall()
