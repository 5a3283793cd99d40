"""The process's PostgreSQL connections: a pool that waits out a restart of the server."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from threading import Timer
from typing import Any

from psycopg import Connection, OperationalError
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from orchestrator import connections, settings
from orchestrator.breaker import Breaker, builtin
from orchestrator.breaker import breaker as breaker_of
from orchestrator.breaker import permit as permits
from orchestrator.breaker.permit import Permit
from orchestrator.errors import BreakerOpen, DeadlineExceeded, PostgresUnavailable
from orchestrator.timeouts import statements
from orchestrator.timeouts.interruptible import Interruptible
from orchestrator.timeouts.left import end_left

# Opened only when they are wanted at the same time: a process of the prefork pool opens one or two. With
# fewer, a worker's threads could hold them all and each wait for a second one, to record a model's call.
_MAX_CONNECTIONS = 20
_CONNECT_TIMEOUT_SECONDS = 5
# How long a task waits for a server that is away before its attempt fails: longer than a usual restart.
_WAIT_SECONDS = 30.0
# After that wait: how long it may take to find out why.
_REASON_SECONDS = 2.0
# A server whose host has vanished is noticed within a minute, not within hours.
_NOTICE: dict[str, Any] = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


@contextmanager
def transaction(*, in_time: bool = True) -> Iterator[Connection[TupleRow]]:
    """One transaction on a live connection: committed at the end of the block, rolled back by an exception.

    A failure for the breaker `postgresql` is that none could be had for 30 seconds, which outlasts a usual
    restart. An error of SQL is none; nor is a connection that is lost within the block: each restart breaks
    as many as are in use, and whoever lost one comes again for another.

    Where there is a deadline or a timeout context neither the wait for a connection nor a statement outlives
    the end of that (its `statement_timeout` is what was left when the block began), unless `in_time` is
    false: for what must be written even so. A statement that is interrupted is cancelled in the server.

    Raises:
        DeadlineExceeded: the task's deadline was over, or struck here.
        BreakerOpen: PostgreSQL is known to be away; nothing was waited for.
        psycopg_pool.PoolTimeout: no connection could be had for 30 seconds.
        psycopg.OperationalError: the server went away within the block.
    """
    connection: Connection[TupleRow] | None = None
    with statements.bounded(in_time=in_time) as is_bounded, _permitted() as permit:
        try:
            with pool().connection(_wait_seconds() if is_bounded else None) as connection:
                statements.limit(connection, is_bounded=is_bounded)
                yield connection
        except PoolTimeout as error:
            if is_bounded and end_left() == 0:
                # It was given less time than a restart takes: nothing is known of the server.
                permit.end(DeadlineExceeded())
                raise
            # One that a block of its own waited for in vain has been counted there.
            permit.end(error if connection else _reason() or error)
            raise
        except BaseException as error:
            permit.end(None if connection and not connection.broken else error)
            raise
        permit.end()


@contextmanager
def session() -> Iterator[Connection[TupleRow]]:
    """A connection outside the pool, for a task: like `connect`, but not while PostgreSQL is known as away.

    It does not wait for a server that restarts, so that its failure counts only where it was to find out
    whether the server is back. Where there is a deadline no statement outlives it, as in `transaction`.

    Raises:
        BreakerOpen: PostgreSQL is known to be away.
        DeadlineExceeded: the task's deadline was over, or struck here.
        psycopg.OperationalError: there is no connection, or the server went away within the block.
    """
    with statements.bounded() as is_bounded, _connected() as connection:
        statements.limit(connection, is_bounded=is_bounded)
        yield connection


def _wait_seconds() -> float:
    left_seconds = end_left()
    return _WAIT_SECONDS if left_seconds is None else min(_WAIT_SECONDS, left_seconds)


def _connected() -> Connection[TupleRow]:
    with _permitted() as permit:
        try:
            connection = connect(settings.current().database_url)
        except OperationalError as error:
            permit.end(_told(error) if permit.is_probe else error)
            raise
        except BaseException as error:
            permit.end(error)
            raise
        permit.end()
    return connection


def refuse_while_open() -> None:
    """Before work whose outcome must be stored, and which costs something: it would be done in vain.

    Raises:
        BreakerOpen: PostgreSQL is known to be away, or somebody else finds out if it is back.
    """
    guard = _breaker()
    if permits.around(guard.standing):
        return
    guard.standing.make_known()
    state = guard.state
    if state.is_out and (state.mode == "isolated" or state.left_seconds > 0):
        raise BreakerOpen(state.name, state.left_seconds)


@contextmanager
def nested(connection: Connection[Any]) -> Iterator[None]:
    """Undo the block alone when it raises; what it did is committed with the caller's transaction.

    In autocommit mode, where the caller has begun none, it is a transaction of its own. Psycopg's own
    `transaction()` would also be one on any connection that has not been used yet, and commit too early.
    """
    if not connection.autocommit:
        connection.execute("SELECT")
    with connection.transaction():
        yield


def pool() -> ConnectionPool[Connection[TupleRow]]:
    """The pool of this process: a forked child gets its own, connections are never shared across a fork."""
    return _pool(os.getpid(), settings.current().database_url)


def connect(url: str, timeout_seconds: float = _CONNECT_TIMEOUT_SECONDS) -> Connection[TupleRow]:
    """A connection outside the pool, in autocommit mode."""
    return Interruptible.connect(
        url, autocommit=True, connect_timeout=max(1, int(timeout_seconds)), **_NOTICE
    )


@contextmanager
def cut_off_after(seconds: float, connection: Connection[Any]) -> Iterator[None]:
    """Cut the connection when the block takes longer than that: what waits for the server raises.

    A server that is frozen keeps its connections and answers nothing, so that its own limits do not help.

    Raises:
        psycopg.OperationalError: the time was over.
    """
    # A copy of the number, which cannot meanwhile become another socket's.
    with socket.socket(fileno=os.dup(connection.fileno())) as shared:
        timer = Timer(seconds, _cut, (shared,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _breaker() -> Breaker:
    return breaker_of(builtin.POSTGRESQL)


@contextmanager
def _permitted() -> Iterator[Permit]:
    """Leave to use PostgreSQL, which the block ends; what is done within it needs no other."""
    permit = _breaker().permit()
    permits.enter(permit)
    try:
        yield permit
    finally:
        permits.drop(permit)


def _reason() -> PostgresUnavailable | None:
    """Why the pool had none to give; None where the server gives one: the pool's own were all in use."""
    try:
        connect(settings.current().database_url, _REASON_SECONDS).close()
    except OperationalError as error:
        return _told(error)
    return None


def _told(error: OperationalError) -> PostgresUnavailable:
    # The lines after the first only ask what our own question asks.
    return PostgresUnavailable(str(error).partition("\n")[0])


def _cut(connected: socket.socket) -> None:
    # It may have ended by itself.
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


@lru_cache(maxsize=8)
def _pool(_pid: int, url: str) -> ConnectionPool[Connection[TupleRow]]:
    made: ConnectionPool[Connection[TupleRow]] = ConnectionPool(
        url,
        connection_class=Interruptible[TupleRow],
        min_size=0,
        max_size=_MAX_CONNECTIONS,
        timeout=_WAIT_SECONDS,
        max_idle=300.0,
        reconnect_timeout=_WAIT_SECONDS,
        kwargs={"connect_timeout": _CONNECT_TIMEOUT_SECONDS, "application_name": "omninode", **_NOTICE},
        check=ConnectionPool.check_connection,
        open=True,
        name=f"omninode-{_pid}",
    )
    return connections.track("postgresql", made, lambda pool: pool.get_stats()["pool_size"])
