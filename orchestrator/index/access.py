"""How letters are read, the newest first, so that indexes answer: what is common, rare, or never together.

PostgreSQL guesses how often values go together, and after a wrong guess it reads a million rows. So there are
two ways. Along an index, in the order that is wanted, where it knows every condition: each row that it reads
is wanted. Else by whatever indexes leave the fewest rows: of the newest ones first, because common things are
among them, and of all only where that was not enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import Any

from psycopg import Connection, sql

from orchestrator.index.filters import Filter
from orchestrator.index.states import STATES

Query = tuple[sql.Composed, list[Any]]
Place = tuple[datetime, str]

# Fields with an index (column, state, died_at), those with the fewest letters a value first.
_LEADING = ("fingerprints", "correlation_ids", "tasks", "exceptions", "queues", "reasons")
# Fields with few letters a value.
_RARE = ("ids", "task_ids")
# Each is planned by itself.
_MOST_BRANCHES = 150
_NEWEST = 1000

_BRANCH = sql.SQL("(SELECT {} FROM dead_letters WHERE {} ORDER BY died_at DESC, id DESC LIMIT %s)")
_MERGED = sql.SQL("SELECT {} FROM ({}) AS branches ORDER BY died_at DESC, id DESC LIMIT %s OFFSET %s")
# No index has this order: PostgreSQL looks for few rows, not for early ones.
_FEWEST = sql.SQL(
    "SELECT {} FROM dead_letters WHERE {} ORDER BY died_at + interval '0 s' DESC, id DESC LIMIT %s"
)
_BEFORE = sql.SQL("{} AND (died_at, id) < (%s, %s)")


def queries(
    connection: Connection[Any], columns: sql.Composable, filter_: Filter, most: int, before: Place | None
) -> Iterator[Query]:
    """Queries for the newest `most` letters; the first that returns so many has them, else the last one."""
    # Indexes begin with a state, at the latest after one other column.
    stated = replace(filter_, states=filter_.states or STATES)
    known = _known_to_an_index(stated)
    branches = _branches(known)
    if known == stated and branches:
        yield _in_order(columns, branches, before, most)
        return
    if branches:
        query, parameters = _in_order(sql.SQL("died_at, id"), branches, before, 1, _NEWEST)
        row = connection.execute(query, parameters, prepare=False).fetchone()
        if row:
            yield _by_fewest(columns, replace(stated, since=row[0]), before, most)
    yield _by_fewest(columns, filter_, before, most)


def _known_to_an_index(filter_: Filter) -> Filter:
    """The conditions of one field, of states and times."""
    known = Filter(states=filter_.states, since=filter_.since, until=filter_.until)
    leading = _leading(filter_)
    return _with(known, leading, getattr(filter_, leading)) if leading else known


def _leading(filter_: Filter) -> str | None:
    return next((name for name in (*_RARE, *_LEADING) if getattr(filter_, name)), None)


def _branches(known: Filter) -> list[Filter]:
    """A filter for each value and state, as an index is in order for one of them; none where it is no use."""
    leading = _leading(known)
    if leading in _RARE:
        return []
    states = dict.fromkeys(known.states)
    if leading is None:
        return [replace(known, states=(state,)) for state in states]
    pairs = [*product(dict.fromkeys(getattr(known, leading)), states)]
    if len(pairs) > _MOST_BRANCHES:
        return []
    return [_with(replace(known, states=(state,)), leading, (value,)) for value, state in pairs]


def _with(filter_: Filter, name: str, values: tuple[str, ...]) -> Filter:
    changes: dict[str, Any] = {name: values}
    return replace(filter_, **changes)


def _in_order(
    columns: sql.Composable, branches: list[Filter], before: Place | None, most: int, offset: int = 0
) -> Query:
    parts: list[sql.Composable] = []
    parameters: list[Any] = []
    for branch in branches:
        condition, more = _condition(branch, before)
        parts.append(_BRANCH.format(columns, condition))
        parameters += [*more, most + offset]
    return _MERGED.format(columns, sql.SQL(" UNION ALL ").join(parts)), [*parameters, most, offset]


def _by_fewest(columns: sql.Composable, filter_: Filter, before: Place | None, most: int) -> Query:
    condition, parameters = _condition(filter_, before)
    return _FEWEST.format(columns, condition), [*parameters, most]


def _condition(filter_: Filter, before: Place | None) -> Query:
    condition, parameters = filter_.where()
    return (_BEFORE.format(condition), [*parameters, *before]) if before else (condition, parameters)
