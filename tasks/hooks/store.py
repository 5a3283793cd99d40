"""The table `hook_events`: one row a delivery, written once, unless it failed before."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from psycopg import Connection, sql
from psycopg.rows import TupleRow

from orchestrator.storable import clean
from tasks.hooks.event import HookEvent

_COLUMNS = (
    "delivery_id",
    "source",
    "event",
    "action",
    "resource",
    "resource_id",
    "correlation_id",
    "occurred_at",
    "payload",
    "previous_state",
    "current_state",
    "status",
    "error",
    "handlers",
    "enqueued_at",
)
# Two workers with the same delivery: the second waits here until the first has committed or given up.
_RECORD = (
    sql.SQL(
        "INSERT INTO hook_events ({columns}) VALUES ({values}) "
        "ON CONFLICT (delivery_id) DO UPDATE SET {overwritten}, settled_at = clock_timestamp() "
        "WHERE hook_events.status = 'failed' RETURNING pg_current_xact_id()::text"
    )
    .format(
        columns=sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)),
        values=sql.SQL(", ").join(map(sql.Placeholder, _COLUMNS)),
        overwritten=sql.SQL(", ").join(
            sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(column)) for column in _COLUMNS[1:]
        ),
    )
    # Put together once: it takes longer than to normalise a hook.
    .as_bytes()
)
_IS_CURRENT = "SELECT pg_current_xact_id_if_assigned() = %s::xid8"
_WITHDRAW = "DELETE FROM hook_events WHERE delivery_id = %s AND pg_xact_status(%s::xid8) = 'committed'"
_DUPLICATE = "UPDATE hook_events SET duplicates = duplicates + 1 WHERE delivery_id = %s"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a hook, and which handlers it called."""

    status: Literal["processed", "unhandled", "failed"]
    handlers: tuple[str, ...] = ()
    error: str | None = None


def record(
    connection: Connection[TupleRow],
    event: HookEvent,
    payload_json: str,
    outcome: Outcome,
    enqueued_at: float | None,
) -> str | None:
    """Write the event's row; None when the delivery is settled already, and then nothing is written.

    Returns the id of the transaction that wrote it, for `is_current` and `withdraw`.

    `enqueued_at` is in Unix seconds.
    """
    row = {
        "delivery_id": event.id,
        "source": event.source,
        "event": event.event,
        "action": event.action,
        "resource": event.resource,
        "resource_id": event.resource_id,
        "correlation_id": event.correlation_id,
        "occurred_at": event.timestamp,
        "payload": payload_json,
        "previous_state": to_json(event.previous_state),
        "current_state": to_json(event.current_state),
        "status": outcome.status,
        "error": outcome.error,
        "handlers": [clean(name) for name in outcome.handlers],
        "enqueued_at": _moment(enqueued_at),
    }
    written = connection.execute(_RECORD, row).fetchone()
    return written[0] if written else None


def is_current(connection: Connection[TupleRow], transaction_id: str) -> bool:
    """Whether the connection is still within this transaction."""
    return connection.execute(_IS_CURRENT, (transaction_id,)).fetchone() == (True,)


def withdraw(connection: Connection[TupleRow], delivery_id: str, transaction_id: str) -> None:
    """Delete the row, should the transaction that wrote it have been committed."""
    if not connection.closed:
        with connection.transaction():
            connection.execute(_WITHDRAW, (delivery_id, transaction_id))


def count_duplicate(connection: Connection[TupleRow], delivery_id: str) -> None:
    """Note that a settled delivery arrived once more."""
    connection.execute(_DUPLICATE, (delivery_id,))


def to_json(state: dict[str, Any]) -> str:
    """The state as a column of type json takes it: NUL and lone surrogates stay as escapes."""
    return json.dumps(state, allow_nan=False)


def _moment(unix_seconds: float | None) -> datetime | None:
    if unix_seconds is None:
        return None
    try:
        return datetime.fromtimestamp(unix_seconds, UTC)
    except (ValueError, OverflowError, OSError):
        # A header from outside: a figure that is no moment counts as none.
        return None
