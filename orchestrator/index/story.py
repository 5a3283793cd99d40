"""Everything that is known of a letter: each time that it died, and what was done about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection

from orchestrator.deadletter.death import Death
from orchestrator.index.filters import Filter
from orchestrator.index.finding import Letter, find
from orchestrator.index.operations import Operation

_MOST_OF_A_TASK = 100

# A message that was too large for a record is kept by itself.
_DEATHS: LiteralString = """
    SELECT d.id, d.reason, d.queue, d.exception, d.message, d.traceback, d.worker, d.attempts, d.deliveries,
           d.replay, d.first_failed_at, d.died_at, coalesce(d.value, v.value), d.value_is, d.headers,
           d.properties, d.content_type, d.content_encoding, d.topic, d.partition, d.record_offset,
           d.record_key
    FROM dead_letter_deaths d
    LEFT JOIN dead_letter_values v ON v.id = d.id AND d.value_is = 'reference'
    WHERE d.letter_id = %s ORDER BY d.replay, d.died_at"""
_HISTORY: LiteralString = """
    SELECT h.event, h.at, h.detail, o.id, o.action, o.who, o.why, o.filter, o.options, o.letters,
           o.started_at, o.finished_at
    FROM dead_letter_history h LEFT JOIN dead_letter_operations o ON o.id = h.operation_id
    WHERE h.letter_id = %s ORDER BY h.position"""


@dataclass(frozen=True)
class Event:
    """What became of a letter, and by which operation; None where nobody did it."""

    event: str
    at: datetime
    detail: str
    operation: Operation | None


@dataclass(frozen=True)
class Story:
    """A letter; its deaths with their bytes, the first one first; its history in the order of writing."""

    letter: Letter
    deaths: list[Death]
    history: list[Event]


def story(connection: Connection[Any], letter_id: str) -> Story | None:
    """The story of the letter with exactly this id; None where there is none."""
    found = find(connection, Filter(ids=(letter_id,)), 1).letters
    if not found:
        return None
    letter = found[0]
    # In binary form the bytes of a message are not spelled out on their way.
    with connection.cursor(binary=True) as cursor:
        deaths = [_death(letter, row) for row in cursor.execute(_DEATHS, (letter_id,))]
    history = [_event(row) for row in connection.execute(_HISTORY, (letter_id,))]
    return Story(letter, deaths, history)


def of_task(connection: Connection[Any], task_id: str) -> list[Letter]:
    """The letters of the task with this id, the newest first, 100 at most."""
    return find(connection, Filter(task_ids=(task_id,)), _MOST_OF_A_TASK).letters


def _death(letter: Letter, row: Sequence[Any]) -> Death:
    identifier, reason, queue, exception, message, traceback, worker, attempts, deliveries = row[:9]
    replay, first_failed_at, died_at, value, value_is, headers, properties, content_type, encoding = row[9:18]
    topic, partition, offset, key = row[18:]
    return Death(
        id=identifier,
        letter_id=letter.id,
        reason=reason,
        task_id=letter.task_id,
        task=letter.task,
        queue=queue,
        correlation_id=letter.correlation_id,
        exception=exception,
        message=message,
        traceback=traceback,
        fingerprint=letter.fingerprint,
        worker=worker,
        attempts=attempts,
        deliveries=deliveries,
        replay=replay,
        first_failed_at=first_failed_at,
        died_at=died_at,
        value=value,
        value_is=value_is,
        headers=headers,
        properties=properties,
        content_type=content_type,
        content_encoding=encoding,
        is_foreign=letter.is_foreign,
        topic=topic,
        partition=partition,
        offset=offset,
        key=key,
    )


def _event(row: Sequence[Any]) -> Event:
    event, at, detail, *operation = row
    return Event(event, at, detail, None if operation[0] is None else Operation(*operation))
