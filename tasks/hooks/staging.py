"""Staged tasks: written with the hook, sent after its commit, deleted once the broker has them.

A process that dies after the commit leaves its rows to the sweep. One that dies between sending and deleting
has its tasks sent once more, with the same ids: tasks are written to bear it.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from celery import current_app
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError
from psycopg import Connection, sql
from psycopg.rows import TupleRow

from orchestrator import postgres, redaction
from orchestrator.errors import BreakerOpen
from orchestrator.storable import clean
from tasks.hooks.hook import StagedTask

# How long a row is left to the process that wrote it.
OWN_SECONDS = 5.0
BATCH = 500
# The sweep makes room for its next tick.
_SWEEP_SECONDS = 8.0
_FIRST_PAUSE_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 3600.0
_MAX_ERROR_CHARS = 2000
_LEFT = "staged tasks are left to the sweep: %s"
_RETRY_POLICY = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.4}

_WRITE = """
    INSERT INTO staged_tasks (id, delivery_id, task, args, kwargs, options, due_at)
    VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))
"""
# Locked while they are sent, so that nobody else sends them meanwhile; a lock dies with its owner.
_TAKE = sql.SQL(
    "SELECT id::text, task, args, kwargs, options FROM staged_tasks WHERE {which} "
    "ORDER BY position LIMIT %(batch)s FOR UPDATE SKIP LOCKED"
)
_OF_DELIVERY = _TAKE.format(which=sql.SQL("delivery_id = %(delivery_id)s")).as_bytes()
_DUE = _TAKE.format(which=sql.SQL("due_at <= clock_timestamp()")).as_bytes()
_STEP_BACK = """
    UPDATE staged_tasks SET attempts = attempts + 1, error = %s,
        due_at = clock_timestamp() + make_interval(secs => least(%s, %s * 2.0 ^ least(attempts, 30)))
    WHERE id = %s
"""

logger = logging.getLogger(__name__)


def write(connection: Connection[TupleRow], delivery_id: str, staged: Sequence[StagedTask]) -> None:
    """Write what a hook's handlers enqueued, within the hook's transaction."""
    if not staged:
        return
    rows = [(t.id, delivery_id, clean(t.task), t.args, t.kwargs, t.options, OWN_SECONDS) for t in staged]
    with connection.cursor() as cursor:
        cursor.executemany(_WRITE, rows)


def send_of_delivery(delivery_id: str) -> None:
    """Send what the delivery's handlers enqueued. What cannot be sent now is left to the sweep."""
    try:
        while _send_batch(_OF_DELIVERY, {"delivery_id": delivery_id, "batch": BATCH}) == BATCH:
            pass
    except (psycopg.Error, BreakerOpen, SoftTimeLimitExceeded) as error:
        # The hook is committed: to try it again would count a duplicate that never arrived.
        logger.warning(_LEFT, redaction.text(str(error)))


def sweep(clock: Callable[[], float] = time.monotonic) -> int:
    """Send what is due, oldest first, for at most 8 seconds; returns how many were sent."""
    stop_at = clock() + _SWEEP_SECONDS
    total = 0
    while clock() < stop_at:
        sent = _send_batch(_DUE, {"batch": BATCH})
        total += sent
        if sent < BATCH:
            break
    return total


def _send_batch(take: bytes, parameters: dict[str, Any]) -> int:
    with postgres.transaction() as connection:
        rows = connection.execute(take, parameters).fetchall()
        sent = _send_rows(connection, rows) if rows else []
        if sent:
            connection.execute("DELETE FROM staged_tasks WHERE id = ANY(%s::uuid[])", (sent,))
    return len(sent)


def _send_rows(connection: Connection[TupleRow], rows: Sequence[TupleRow]) -> list[str]:
    sent: list[str] = []
    with current_app.producer_or_acquire() as producer:
        broker_errors = (*producer.connection.connection_errors, *producer.connection.channel_errors)
        for row in rows:
            try:
                _publish(producer, row)
            except (OperationalError, SoftTimeLimitExceeded, *broker_errors) as error:
                logger.warning(_LEFT, redaction.text(str(error)))
                break
            except Exception as error:
                _step_back(connection, row[0], error)
            else:
                sent.append(row[0])
    return sent


def _publish(producer: Any, row: TupleRow) -> None:
    task_id, name, args, kwargs, options = row
    # Of a task that is known here, what it says itself of its limits and priority counts too.
    current_app.send_task(
        name, args, kwargs, task_id=task_id, producer=producer, retry_policy=_RETRY_POLICY, **options
    )


def _step_back(connection: Connection[TupleRow], task_id: str, error: Exception) -> None:
    shown = clean(redaction.text(f"{type(error).__name__}: {error}"))[:_MAX_ERROR_CHARS]
    logger.error("the staged task %s cannot be sent, and is tried again later: %s", task_id, shown)
    connection.execute(_STEP_BACK, (shown, _LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS, task_id))
