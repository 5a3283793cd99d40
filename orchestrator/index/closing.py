"""Puts letters away and takes them out again, in batches, each with its audit in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, LiteralString
from uuid import UUID

from psycopg import Connection, sql

from orchestrator.index import operations
from orchestrator.index.filters import Filter

Action = Literal["archive", "park", "reopen"]

BATCH = 500


@dataclass(frozen=True)
class _Rule:
    state: str
    event: str
    of: tuple[str, ...]


# A letter that is being replayed is left alone: its message is on its way.
_RULES: dict[Action, _Rule] = {
    "archive": _Rule("archived", "archived", ("open", "parked")),
    "park": _Rule("parked", "parked", ("open",)),
    "reopen": _Rule("open", "reopened", ("archived", "parked", "resolved")),
}
_WANTED = sql.SQL("SELECT id FROM dead_letters WHERE {} AND state = ANY(%s)")
_COUNTED = sql.SQL("SELECT state, count(*) FROM dead_letters WHERE {} GROUP BY state")
# In the order of their ids, in which everybody locks them.
_LOCK: LiteralString = """
    SELECT id FROM dead_letters WHERE id = ANY(%s) AND state = ANY(%s) ORDER BY id FOR NO KEY UPDATE"""
_CHANGE: LiteralString = """
    WITH changed AS (
        UPDATE dead_letters SET state = %s, state_at = clock_timestamp() WHERE id = ANY(%s) RETURNING id
    )
    INSERT INTO dead_letter_history (letter_id, event, operation_id)
    SELECT id, %s, %s FROM changed"""


@dataclass(frozen=True)
class Closed:
    """How many letters were changed, and by state how many were found that this is not done to.

    `operation_id` is empty where nothing was to be changed, or it was only asked.
    """

    operation_id: UUID | None
    changed: int
    skipped: dict[str, int]


def preview(connection: Connection[Any], action: Action, filter_: Filter) -> Closed:
    """What would be changed, and what not."""
    condition, parameters = filter_.where()
    found = dict(connection.execute(_COUNTED.format(condition), parameters, prepare=False).fetchall())
    of = _RULES[action].of
    skipped = {state: letters for state, letters in sorted(found.items()) if state not in of}
    return Closed(None, sum(found.values()) - sum(skipped.values()), skipped)


def archive(connection: Connection[Any], filter_: Filter, who: str, why: str) -> Closed:
    """Archive letters that are open or parked: nobody has to deal with them any more."""
    return close(connection, "archive", filter_, who, why)


def park(connection: Connection[Any], filter_: Filter, who: str, why: str) -> Closed:
    """Park open letters: they wait until somebody reopens them."""
    return close(connection, "park", filter_, who, why)


def reopen(connection: Connection[Any], filter_: Filter, who: str, why: str) -> Closed:
    """Open letters again that are archived, parked or resolved."""
    return close(connection, "reopen", filter_, who, why)


def close(  # noqa: PLR0917 (what, which, who, why)
    connection: Connection[Any],
    action: Action,
    filter_: Filter,
    who: str,
    why: str,
    on_progress: Callable[[int, int], None] = lambda _done, _matched: None,
) -> Closed:
    """Do it to the letters that the filter finds now; `on_progress` is told how many of how many are done.

    The connection is in autocommit mode: after a kill some batches are done, each with its history, and the
    operation says how many letters that were.
    """
    foreseen = preview(connection, action, filter_)
    if not foreseen.changed:
        return foreseen
    rule = _RULES[action]
    operation_id = operations.begin(connection, action, who, why, filter_.as_json(), {})
    looked_at = changed = 0
    with _wanted(connection, filter_, rule) as batches:
        for ids in batches:
            changed += _change(connection, rule, operation_id, ids)
            looked_at += len(ids)
            on_progress(looked_at, foreseen.changed)
    operations.finish(connection, operation_id)
    # Others may have changed some meanwhile.
    skipped = Counter(foreseen.skipped)
    if looked_at > changed:
        skipped["changed meanwhile"] += looked_at - changed
    return Closed(operation_id, changed, dict(skipped))


@contextmanager
def _wanted(connection: Connection[Any], filter_: Filter, rule: _Rule) -> Iterator[Iterator[list[str]]]:
    """The ids of all letters that are to be changed, in batches: looked for once, what comes later is not."""
    condition, parameters = filter_.where()
    with connection.cursor("omninode_closing", withhold=True) as cursor:
        cursor.execute(_WANTED.format(condition), [*parameters, list(rule.of)])
        yield iter(lambda: [row[0] for row in cursor.fetchmany(BATCH)], [])


def _change(connection: Connection[Any], rule: _Rule, operation_id: UUID, ids: Sequence[str]) -> int:
    with connection.transaction():
        rows = connection.execute(_LOCK, (list(ids), list(rule.of))).fetchall()
        locked = [row[0] for row in rows]
        connection.execute(_CHANGE, (rule.state, locked, rule.event, operation_id))
        operations.add(connection, operation_id, len(locked))
    return len(locked)
