"""Letters by the first digits of their ids, as a person copies them from a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from orchestrator.errors import UnknownLetter
from orchestrator.storable import is_clean

SHOWN_DIGITS = 12
_FEWEST_DIGITS = 6
_DIGITS = re.compile(rf"[0-9a-f]{{{_FEWEST_DIGITS},64}}", re.IGNORECASE)
_MOST_NAMED = 5


def resolve(connection: Connection[Any], named: Sequence[str]) -> tuple[str, ...]:
    """The ids that these ids, or their first digits, stand for; each once, in that order.

    Raises:
        UnknownLetter: no letter has it, or several do.
    """
    return tuple(dict.fromkeys(_resolve(connection, each) for each in named))


def _resolve(connection: Connection[Any], name: str) -> str:
    if is_clean(name) and connection.execute("SELECT FROM dead_letters WHERE id = %s", (name,)).fetchone():
        return name
    if not _DIGITS.fullmatch(name):
        raise UnknownLetter(
            f"no letter has the id {name!r:.80}: give {_FEWEST_DIGITS} or more of its first digits"
        )
    first = name.lower()
    # `g` comes after every digit, in any collation.
    rows = connection.execute(
        "SELECT id FROM dead_letters WHERE id >= %s AND id < %s ORDER BY id LIMIT %s",
        (first, f"{first}g", _MOST_NAMED),
    ).fetchall()
    if not rows:
        raise UnknownLetter(f"no letter's id begins with {first}")
    if len(rows) > 1:
        listed = ", ".join(row[0][: max(SHOWN_DIGITS, len(first) + 4)] for row in rows)
        raise UnknownLetter(f"several letters' ids begin with {first}: give more of its digits ({listed})")
    return str(rows[0][0])
