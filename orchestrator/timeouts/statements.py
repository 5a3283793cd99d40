"""Keeps what is done in PostgreSQL within the time that is left."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection
from psycopg.errors import QueryCanceled
from psycopg_pool import PoolTimeout

from orchestrator.errors import DeadlineExceeded
from orchestrator.timeouts.deadline import left_of_task
from orchestrator.timeouts.left import deadline_left, within

# PostgreSQL's largest statement_timeout, 24 days.
_LONGEST_MS = 2**31 - 1


@contextmanager
def bounded(*, in_time: bool = True) -> Iterator[bool]:
    """Whether there is an end to keep to; where it is the task's deadline, what stops at it says so.

    Raises:
        DeadlineExceeded: the task's deadline was over, or is now, and has stopped a statement or a wait.
    """
    if not in_time or deadline_left() is None:
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


def limit(connection: Connection[Any], *, in_transaction: bool) -> None:
    """Have the server stop each statement of the transaction, or of all, after what is left now."""
    left_ms = min(_LONGEST_MS, max(1, math.ceil(within(_LONGEST_MS) * 1000)))
    connection.execute("SELECT set_config('statement_timeout', %s, %s)", (str(left_ms), in_transaction))
