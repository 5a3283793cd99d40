"""Keeps what is done in PostgreSQL within the time that is left until it would be stopped."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from psycopg import Connection
from psycopg.errors import QueryCanceled
from psycopg_pool import PoolTimeout

from orchestrator.errors import DeadlineExceeded
from orchestrator.timeouts.deadline import left_of_task
from orchestrator.timeouts.left import end_left

# PostgreSQL's largest statement_timeout, 24 days.
_LONGEST_MS = 2**31 - 1
# With less the server could stop the statement that sets it anew.
_SHORTEST_MS = 100
# A limit that is this much too long is left as it is: it costs a round trip to shorten it.
_TOLERANCE = 0.01
# So much longer a limit is set at the most: a next task that begins with the same time finds it long enough.
_MORE_MS = 1000


@dataclass(slots=True)
class _Limit:
    """A connection's `statement_timeout` in milliseconds: what its server gave it, and what it is now."""

    usual_ms: int
    now_ms: int


_limits: WeakKeyDictionary[Connection[Any], _Limit] = WeakKeyDictionary()


@contextmanager
def bounded(*, in_time: bool = True) -> Iterator[bool]:
    """Whether there is an end to keep to; where it is the task's deadline, what stops at it says so.

    Raises:
        DeadlineExceeded: the task's deadline was over, or is now, and has stopped a statement or a wait.
    """
    if not in_time or end_left() is None:
        yield False
        return
    if left_of_task() == 0:
        raise DeadlineExceeded("the task's deadline is over: PostgreSQL was not asked")
    try:
        yield True
    except (QueryCanceled, PoolTimeout) as error:
        if left_of_task() == 0:
            raise DeadlineExceeded(f"the task's deadline struck in PostgreSQL: {error}") from error
        raise


def limit(connection: Connection[Any], *, is_bounded: bool) -> None:
    """Have the server stop each statement on an idle connection after what is left now, if it is bounded.

    It is no part of a transaction, which the caller may want to begin and to end as he likes.
    """
    known = _limits.get(connection)
    if not is_bounded:
        if known and known.now_ms != known.usual_ms:
            _set(connection, known, known.usual_ms)
        return
    known = known or _limits.setdefault(connection, _usual(connection))
    left_seconds = end_left()
    left_ms = _LONGEST_MS if left_seconds is None else min(_LONGEST_MS, math.ceil(left_seconds * 1000))
    left_ms = max(_SHORTEST_MS, left_ms)
    if known.usual_ms and known.usual_ms <= left_ms:
        left_ms = known.usual_ms
    if not left_ms <= known.now_ms <= left_ms * (1 + _TOLERANCE):
        more_ms = min(_MORE_MS, int(left_ms * _TOLERANCE), _LONGEST_MS - left_ms)
        _set(connection, known, known.usual_ms if left_ms == known.usual_ms else left_ms + more_ms)


def _usual(connection: Connection[Any]) -> _Limit:
    with _outside_transactions(connection):
        row = connection.execute("SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout'")
        ((usual_ms,),) = row.fetchall()
    return _Limit(usual_ms, usual_ms)


def _set(connection: Connection[Any], known: _Limit, limit_ms: int) -> None:
    with _outside_transactions(connection):
        connection.execute("SELECT set_config('statement_timeout', %s, false)", (str(limit_ms),))
    known.now_ms = limit_ms


@contextmanager
def _outside_transactions(connection: Connection[Any]) -> Iterator[None]:
    before = connection.autocommit
    connection.autocommit = True
    try:
        yield
        connection.autocommit = before
    except BaseException:
        # Nobody may go on with it: what he takes for a transaction would be none.
        connection.close()
        raise
