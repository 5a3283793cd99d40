"""What waits for Kafka in PostgreSQL: letters that Redis has no room for, or that Kafka refuses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection

from orchestrator import postgres
from orchestrator.deadletter.death import Death
from orchestrator.index import writing
from orchestrator.relay.entry import Entry
from orchestrator.storable import escaped

# A statement that takes longer is one that a frozen server does not answer.
_ANSWER_SECONDS = 15.0

_PUT = """
    INSERT INTO outbox_overflow (entry_id, topic, fields, raw, error, attempts, due_at)
    VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))
    ON CONFLICT (entry_id) DO NOTHING"""
# Rows that are due, and not again before `lease` seconds have passed: others may die or be stopped. Asked for
# the clock's time, no index would help.
_CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT position FROM outbox_overflow WHERE due_at <= now() AND topic <> ALL(%s)
        ORDER BY position LIMIT %s FOR UPDATE SKIP LOCKED)
    UPDATE outbox_overflow o SET due_at = clock_timestamp() + make_interval(secs => %s)
    FROM due WHERE o.position = due.position
    RETURNING o.position, o.entry_id, o.topic, o.fields, o.raw, o.attempts"""
_PUT_OFF = """
    UPDATE outbox_overflow
    SET due_at = clock_timestamp() + make_interval(secs => %s), error = %s, attempts = %s
    WHERE position = %s"""
_RELEASE = "UPDATE outbox_overflow SET due_at = clock_timestamp() WHERE position = ANY(%s)"
_DELETE = "DELETE FROM outbox_overflow WHERE position = ANY(%s)"
_COUNT = "SELECT count(*) FROM outbox_overflow"
# The same death has the same message: it may have been stored before a kill.
_KEEP_VALUE = "INSERT INTO dead_letter_values (id, value) VALUES (%s, %s) ON CONFLICT (id) DO NOTHING"


class Overflow:
    """The tables, on one connection that is made when it is needed; for one thread.

    What a method has written is committed when it returns; it raises psycopg.Error where PostgreSQL is away.
    """

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._connection: Connection[Any] | None = None

    def put(self, entries: Sequence[Entry], error: str = "", due_in_seconds: float = 0.0) -> None:
        """Store entries of the stream; what is there already stays as it is."""
        rows = [
            (*_kept(each), escaped(error), each.refusals, due_in_seconds)
            for each in sorted(entries, key=lambda each: each.order)
        ]
        with self.asking() as connection, connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(_PUT, rows)

    def claim(self, most: int, lease_seconds: float, besides: Iterable[str] = ()) -> list[Entry]:
        """Rows that are due, by position; they are this relay's until the lease ends.

        Topics in `besides` are left alone.
        """
        with self.asking() as connection:
            rows = connection.execute(_CLAIM, (list(besides), most, lease_seconds)).fetchall()
        claimed = [
            Entry(stream_id, topic, fields, raw, position, refusals)
            for position, stream_id, topic, fields, raw, refusals in rows
        ]
        return sorted(claimed, key=lambda each: each.order)

    def put_off(self, entries: Sequence[Entry], error: str, seconds: Callable[[int], float]) -> None:
        """Kafka has refused these: say why, and try again after `seconds(refusals)`."""
        rows = [(seconds(each.refusals), escaped(error), each.refusals, each.position) for each in entries]
        with self.asking() as connection, connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(_PUT_OFF, rows)

    def release(self, positions: Sequence[int]) -> None:
        """Have them due at once, for whoever asks first."""
        with self.asking() as connection:
            connection.execute(_RELEASE, (list(positions),))

    def delete(self, positions: Sequence[int]) -> None:
        """Kafka, or the index, has them."""
        with self.asking() as connection:
            connection.execute(_DELETE, (list(positions),))

    def count(self) -> int:
        """How many rows there are."""
        with self.asking() as connection:
            return int(connection.execute(_COUNT).fetchall()[0][0])

    def ping(self) -> None:
        """See whether PostgreSQL answers."""
        with self.asking() as connection:
            connection.execute("SELECT")

    def keep_value(self, death_id: str, raw: bytes) -> None:
        """Store a message that no record can hold, before the record that refers to it."""
        with self.asking() as connection:
            connection.execute(_KEEP_VALUE, (death_id, raw))

    def index(self, deaths: Sequence[Death], max_replays: int) -> None:
        """Write letters into the index, without Kafka in between."""
        with self.asking() as connection:
            writing.write(connection, deaths, max_replays=max_replays)

    @contextmanager
    def asking(self) -> Iterator[Connection[Any]]:
        """The connection in autocommit mode, for statements that are cut off when the server is frozen."""
        connection = self._connected()
        try:
            with postgres.cut_off_after(_ANSWER_SECONDS, connection):
                yield connection
        except psycopg.OperationalError:
            self.close()
            raise

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = postgres.connect(self._url)
        return self._connection


def _kept(entry: Entry) -> tuple[str, str, str, bytes]:
    # Two brokers may give the same number to different letters.
    letter = hashlib.sha256(entry.fields["id"].encode()).hexdigest()[:16]
    return f"{entry.id}-{letter}", entry.topic, json.dumps(dict(entry.fields)), entry.raw
