"""The process's PostgreSQL connections: a small pool that waits out a restart of the server."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from orchestrator import settings

_POOL_SIZE = 4
_CONNECT_TIMEOUT_SECONDS = 5
# How long a task waits for a server that is away before its attempt fails: longer than a usual restart.
_WAIT_SECONDS = 30.0


@contextmanager
def transaction() -> Iterator[Connection[TupleRow]]:
    """One transaction on a live connection: committed at the end of the block, rolled back by an exception.

    Raises:
        psycopg_pool.PoolTimeout: no connection could be had for 30 seconds.
        psycopg.OperationalError: the server went away within the block.
    """
    with pool().connection() as connection:
        yield connection


def pool() -> ConnectionPool[Connection[TupleRow]]:
    """The pool of this process: a forked child gets its own, connections are never shared across a fork."""
    return _pool(os.getpid(), settings.current().database_url)


def connect(url: str, timeout_seconds: float = _CONNECT_TIMEOUT_SECONDS) -> Connection[TupleRow]:
    """A connection outside the pool, in autocommit mode."""
    return Connection.connect(url, autocommit=True, connect_timeout=max(1, int(timeout_seconds)))


@lru_cache(maxsize=8)
def _pool(_pid: int, url: str) -> ConnectionPool[Connection[TupleRow]]:
    return ConnectionPool(
        url,
        min_size=0,
        max_size=_POOL_SIZE,
        timeout=_WAIT_SECONDS,
        max_idle=300.0,
        reconnect_timeout=_WAIT_SECONDS,
        kwargs={"connect_timeout": _CONNECT_TIMEOUT_SECONDS, "application_name": "omninode"},
        check=ConnectionPool.check_connection,
        open=True,
        name=f"omninode-{_pid}",
    )
