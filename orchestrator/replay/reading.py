"""Reads letters with their latest death as a replay wants them: oldest first, their bytes in portions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection, sql

from orchestrator.deadletter.death import Death
from orchestrator.replay.order import ADMIN_TASK, Order

# So many bytes of messages are in memory at the same time, and one more message.
PORTION_BYTES = 16 * 1024 * 1024

# So many ids are read at once.
IDS = 500

_DEATHS: LiteralString = """
    SELECT l.id, l.task_id, l.task, l.queue, l.correlation_id, l.is_foreign, l.fingerprint, l.exception,
           l.died_at, l.replay, coalesce(l.batch_position, 0), d.id, d.replay, d.headers, d.properties,
           d.content_type, d.content_encoding, d.value_is,
           coalesce(octet_length(d.value), octet_length(v.value), 0)
      FROM dead_letters l
      LEFT JOIN LATERAL (SELECT * FROM dead_letter_deaths
                          WHERE letter_id = l.id AND replay < l.replay + %s
                          ORDER BY replay DESC, died_at DESC LIMIT 1) d ON true
      LEFT JOIN dead_letter_values v ON v.id = d.id AND d.value_is = 'reference'
"""
_OF_IDS: LiteralString = _DEATHS + " WHERE l.id = ANY(%s)"
_OF_BATCH: LiteralString = (
    _DEATHS + " WHERE l.batch_id = %s AND l.batch_position >= %s ORDER BY l.batch_position"
)
_VALUES: LiteralString = """
    SELECT d.id, coalesce(d.value, v.value) FROM dead_letter_deaths d
      LEFT JOIN dead_letter_values v ON v.id = d.id AND d.value_is = 'reference'
     WHERE d.id = ANY(%s)"""
# Whatever PostgreSQL's clock does: what a replay has taken, it does not take again.
_STILL_THERE: LiteralString = """
    SELECT id FROM dead_letters l WHERE id = ANY(%s) AND state = ANY(%s) AND state_at <= %s
       AND NOT EXISTS (SELECT FROM dead_letter_history h WHERE h.letter_id = l.id AND h.operation_id = %s)"""
# A replay has its number already; whoever asks for the next one wants the latest death of all.
_EVERY_DEATH = 2**30


@dataclass(frozen=True)
class Dead:
    """A letter and its latest death: `position` in its batch, `size` of its value in bytes."""

    death: Death
    died_at: datetime
    fingerprint: str
    exception: str
    replay: int
    position: int
    size: int

    @property
    def id(self) -> str:
        """The letter's."""
        return self.death.letter_id


def now(connection: Connection[Any]) -> datetime:
    """The moment by PostgreSQL's clock, which is the one that says since when letters are open."""
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row  # noqa: S101 (a SELECT without a table has one row)
    at: datetime = row[0]
    return at


@contextmanager
def wanted(connection: Connection[Any], asked: Order, started_at: datetime) -> Iterator[Iterator[list[str]]]:
    """The ids of all letters that were asked for, the oldest first, in lists of some hundred.

    They are looked for once, however many there are: PostgreSQL keeps the list. What became open only after
    `started_at` is none of them: what dies again meanwhile is not taken again.
    """
    condition, parameters = _matching(asked, started_at)
    query = sql.SQL("SELECT id FROM dead_letters WHERE {} ORDER BY died_at, id").format(condition)
    with connection.cursor("omninode_replay", withhold=True) as ids:
        ids.execute(query, parameters)
        yield iter(lambda: [row[0] for row in ids.fetchmany(IDS)], [])


def count(connection: Connection[Any], asked: Order, started_at: datetime) -> int:
    """How many of the letters that were asked for are still where they were."""
    condition, parameters = _matching(asked, started_at)
    query = sql.SQL("SELECT count(*) FROM dead_letters WHERE {}").format(condition)
    row = connection.execute(query, parameters, prepare=False).fetchone()
    return int(row[0]) if row else 0


def queues(connection: Connection[Any], asked: Order, started_at: datetime) -> list[str]:
    """The queues that these letters go to, by name."""
    condition, parameters = _matching(asked, started_at)
    query = sql.SQL("SELECT DISTINCT queue, task FROM dead_letters WHERE {}").format(condition)
    found = connection.execute(query, parameters, prepare=False).fetchall()
    return sorted({asked.target(queue, task) for queue, task in found})


def read(
    connection: Connection[Any],
    ids: Sequence[str],
    asked: Order,
    started_at: datetime,
    operation_id: UUID | None = None,
) -> tuple[list[Dead], int]:
    """Those of the letters that may still be taken, without their bytes, and how many ids were looked at.

    They are no more than fit into a portion. For an operation they stay as they are until the transaction's
    end, and those that another one holds, or that this one has taken before, are left out.
    """
    query = _STILL_THERE + (" FOR NO KEY UPDATE SKIP LOCKED" if operation_id else "")
    parameters = (list(ids), list(asked.filter.states), started_at, operation_id)
    rows = connection.execute(query, parameters).fetchall()
    found = connection.execute(_OF_IDS, (_EVERY_DEATH, [row[0] for row in rows])).fetchall()
    place = {identifier: number for number, identifier in enumerate(ids)}
    letters = sorted((_read(row) for row in found), key=lambda each: place[each.id])
    portion = next(_portions(letters), [])
    return portion, len(ids) if len(portion) == len(letters) else place[portion[-1].id] + 1


def _matching(asked: Order, started_at: datetime) -> tuple[sql.Composed, list[Any]]:
    filter_ = asked.filter
    condition, parameters = filter_.where()
    condition = sql.SQL("{} AND state_at <= %s").format(condition)
    parameters.append(started_at)
    if not (filter_.ids or filter_.tasks or filter_.task_ids):
        # A replay that was wrongly asked for would be asked for again, among all that it is to replay.
        condition += sql.SQL(" AND task <> %s")
        parameters.append(ADMIN_TASK)
    return condition, parameters


def with_values(connection: Connection[Any], letters: Sequence[Dead]) -> list[Dead]:
    """The same with their bytes."""
    ids = [each.death.id for each in letters]
    values = {row[0]: row[1] for row in connection.cursor(binary=True).execute(_VALUES, (ids,))}
    return [replace(each, death=replace(each.death, value=values.get(each.death.id))) for each in letters]


def of_batch(connection: Connection[Any], batch_id: UUID, first: int) -> Iterator[list[Dead]]:
    """The letters of a batch from this position on, in portions with their bytes.

    Their death is the latest one before the replay that this batch is of.
    """
    rows = connection.execute(_OF_BATCH, (0, batch_id, first)).fetchall()
    for portion in _portions([_read(row) for row in rows]):
        yield with_values(connection, portion)


def _portions(letters: Sequence[Dead]) -> Iterator[list[Dead]]:
    portion: list[Dead] = []
    size = 0
    for each in letters:
        if portion and size + each.size > PORTION_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(each)
        size += each.size
    if portion:
        yield portion


def _read(row: Sequence[Any]) -> Dead:
    letter_id, task_id, task, queue, correlation_id, is_foreign, fingerprint, exception, died_at, replay = (
        row[:10]
    )
    position, death_id, death_replay, headers, properties, content_type, encoding, value_is, size = row[10:]
    death = Death(
        id=death_id or "",
        letter_id=letter_id,
        reason="",
        task_id=task_id,
        task=task,
        queue=queue,
        correlation_id=correlation_id,
        exception=exception,
        message="",
        traceback="",
        fingerprint=fingerprint,
        worker="",
        attempts=0,
        deliveries=0,
        replay=death_replay or 0,
        first_failed_at=died_at,
        died_at=died_at,
        value=None,
        value_is=value_is or "reference",
        headers=headers or {},
        properties=properties or {},
        content_type=content_type or "",
        content_encoding=encoding or "",
        is_foreign=is_foreign,
    )
    return Dead(death, died_at, fingerprint, exception, max(replay, death.replay), position, size)
