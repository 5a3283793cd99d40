"""`omninode.hooks.process`: a delivery is stored and handed to its handlers in one transaction, once."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from celery import shared_task
from psycopg import Connection
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from orchestrator import postgres, settings, stamp
from orchestrator.breaker import breaker, builtin
from orchestrator.errors import InvalidHook, OmniNodeError, PermanentError
from tasks.hooks import staging, store
from tasks.hooks.delivery import Delivery, parse, source_of
from tasks.hooks.event import HookEvent
from tasks.hooks.failing import HookTask
from tasks.hooks.hook import Hook, StagedTask
from tasks.hooks.registry import Registration, handlers_for, may_serve
from tasks.hooks.sources.normalise import normalise

_ENDED = (
    "a handler has ended the hook's transaction, by COMMIT or ROLLBACK: it must leave that to us, and put "
    "what may fail into `with hook.connection.transaction():`"
)


def dependency(event: object = None, *_: object, **__: object) -> str:
    """The breaker `hooks:<source>` of a hook that some handler wants; "" for others, and for what is no hook.

    It is a function of the arguments of `omninode.hooks.process`: while what one source's handlers call is
    known to be away its hooks are set aside, and those of others go on.
    """
    if not isinstance(event, Mapping):
        return ""
    try:
        source = source_of(event)
    except InvalidHook:
        return ""
    return builtin.hooks(source) if may_serve(source) else ""


@shared_task(name="omninode.hooks.process", bind=True, ignore_result=True, base=HookTask, breaker=dependency)
def process_hook(self: Any, event: dict[str, Any]) -> None:
    """Process a hook as it was ingested: {"event", "payload"[, "source", "delivery_id"]}.

    Without a delivery id the task's own id is taken.

    Raises:
        InvalidHook: it is no hook; it is neither stored nor tried again.
    """
    delivery = parse(event, settings.current().hook_max_bytes, lambda _: self.request.id or str(uuid4()))
    if _process(delivery, datetime.now(UTC), stamp.enqueued_at(self.request)):
        staging.send_of_delivery(delivery.id)


def _process(delivery: Delivery, now: datetime, enqueued_at: float | None) -> bool:
    """Process the delivery; True when there may be staged tasks of it to send."""
    event = normalise(delivery, now)
    registrations = handlers_for(event.name)
    outcome = store.Outcome(
        "processed" if registrations else "unhandled", tuple(each.name for each in registrations)
    )
    # An explicit block, so that a handler cannot call `commit`.
    with postgres.transaction() as connection, ExitStack() as undoing, connection.transaction():
        transaction_id = store.record(connection, event, delivery.payload_json, outcome, enqueued_at)
        if transaction_id is None:
            store.count_duplicate(connection, delivery.id)
            # Whoever processed it may have died before it sent them.
            return True
        # A handler may have committed the row by SQL before it raised.
        undoing.callback(store.withdraw, connection, delivery.id, transaction_id)
        staged = _call(connection, event, registrations)
        if registrations and not store.is_current(connection, transaction_id):
            raise PermanentError(_ENDED)
        # From here on an error may also come after our own commit, which stands.
        undoing.pop_all()
        staging.write(connection, delivery.id, staged)
    return bool(staged)


def _call(
    connection: Connection[TupleRow], event: HookEvent, registrations: Sequence[Registration]
) -> list[StagedTask]:
    """Call the handlers; what they raise counts against their source, unless it is permanent or PostgreSQL's.

    Raises:
        BreakerOpen: what they call is known to be away: none of them was called.
    """
    if not registrations:
        return []
    with breaker(builtin.hooks(event.source)):
        return _handle(connection, event, registrations)


def _handle(
    connection: Connection[TupleRow], event: HookEvent, registrations: Sequence[Registration]
) -> list[StagedTask]:
    hook = Hook(connection)
    for registration in registrations:
        try:
            registration.handler(event, hook)
            _check_transaction(connection)
        except Exception as error:
            error.add_note(f"in the handler {registration.name} of {event.name}")
            raise
    return hook.staged


def _check_transaction(connection: Connection[TupleRow]) -> None:
    status = connection.info.transaction_status
    if status == TransactionStatus.IDLE:
        raise PermanentError(_ENDED)
    # PostgreSQL answers the COMMIT of such a transaction by rolling it back, without an error.
    if status != TransactionStatus.INTRANS:
        raise OmniNodeError(
            "the handler went on after an error of the database, which undoes the whole hook: "
            "put what may fail into `with hook.connection.transaction():`"
        )
