"""A connection to PostgreSQL on which no query goes on that nobody waits for any longer."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from typing import Any, TypeVar

from psycopg import Connection, Error
from psycopg.pq import TransactionStatus
from psycopg.rows import Row

_Result = TypeVar("_Result")

# How long the server may take to stop a query, and again to say so: less than until one is interrupted anew.
_STOP_SECONDS = 0.4


class Interruptible(Connection[Row]):
    """Where an error interrupts a wait (a timeout, a soft limit), the query is cancelled in the server.

    After that it can be used again, as to roll back; where the server does not answer it is closed.
    """

    def wait(self, gen: Generator[Any, Any, _Result], *args: Any, **kwargs: Any) -> _Result:
        """Psycopg's own, through which every query goes."""
        try:
            return super().wait(gen, *args, **kwargs)
        except Error:
            raise
        except BaseException:
            if self.info.transaction_status == TransactionStatus.ACTIVE:
                self._stop(gen)
            raise

    def _stop(self, gen: Generator[Any, Any, Any]) -> None:
        try:
            with suppress(Error):
                self.cancel_safe(timeout=_STOP_SECONDS)
                # The query was cancelled, or had just been done.
                super().wait(gen, timeout=_STOP_SECONDS)
        finally:
            if self.info.transaction_status == TransactionStatus.ACTIVE:
                self.close()
