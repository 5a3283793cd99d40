"""Letters, groups and exceptions by a part of their names, as a person copies them from a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, LiteralString

from psycopg import Connection

from orchestrator.errors import UnknownLetter
from orchestrator.index.filters import Filter
from orchestrator.storable import is_clean

SHOWN_DIGITS = 12
_FEWEST_DIGITS = 6
_DIGITS = re.compile(rf"[0-9a-f]{{{_FEWEST_DIGITS},64}}", re.IGNORECASE)
_MOST_NAMED = 5
_WHOLE: LiteralString = "SELECT id FROM dead_letters WHERE id = %s"
_FINGERPRINT = re.compile(r"[0-9a-f]{4,16}")
_FIRST_AND_LAST: LiteralString = """
    SELECT min(fingerprint), max(fingerprint) FROM dead_letters
    WHERE fingerprint >= %s AND fingerprint < %s"""
# Each name once, by one look into the index; more than some thousand names nobody has.
_EXCEPTIONS: LiteralString = """
    WITH RECURSIVE names (name) AS (
        (SELECT exception FROM dead_letters ORDER BY exception LIMIT 1)
        UNION ALL
        SELECT (SELECT exception FROM dead_letters WHERE exception > name ORDER BY exception LIMIT 1)
        FROM names WHERE name IS NOT NULL
    )
    SELECT name FROM (SELECT name FROM names LIMIT 10000) AS known
    WHERE name = %s OR right(name, length(%s) + 1) = '.' || %s"""


def resolve(connection: Connection[Any], named: Sequence[str]) -> tuple[str, ...]:
    """The ids that these ids, or their first digits, stand for; each once, in that order.

    Raises:
        UnknownLetter: no letter has it, or several do.
    """
    return tuple(dict.fromkeys(_resolve(connection, each) for each in named))


def complete(connection: Connection[Any], filter_: Filter) -> Filter:
    """The filter with whole exceptions, which may be the last parts of dotted names, and whole fingerprints.

    What the index does not know stays as it is.

    Raises:
        UnknownLetter: several fingerprints begin so.
    """
    exceptions = [name for each in filter_.exceptions for name in _exceptions(connection, each)]
    fingerprints = [_fingerprint(connection, each) for each in filter_.fingerprints]
    return replace(filter_, exceptions=tuple(exceptions), fingerprints=tuple(fingerprints))


def _exceptions(connection: Connection[Any], name: str) -> list[str]:
    if not is_clean(name):
        return [name]
    rows = connection.execute(_EXCEPTIONS, (name, name, name)).fetchall()
    return [row[0] for row in rows] or [name]


def _fingerprint(connection: Connection[Any], name: str) -> str:
    first = name.strip().lower()
    if not _FINGERPRINT.fullmatch(first):
        return name
    row = connection.execute(_FIRST_AND_LAST, (first, f"{first}g")).fetchone()
    least, last = row or (None, None)
    # One that is no longer than that is meant itself.
    if least not in {last, first}:
        raise UnknownLetter(f"several groups' fingerprints begin with {first}: give more of its digits")
    return least or first


def _resolve(connection: Connection[Any], name: str) -> str:
    if is_clean(name) and connection.execute(_WHOLE, (name,)).fetchone():
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
