"""Records a hook whose failure is final."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from orchestrator import postgres, redaction, settings
from orchestrator.errors import InvalidHook
from orchestrator.task import Task
from tasks.hooks import store
from tasks.hooks.clean import clean
from tasks.hooks.delivery import parse
from tasks.hooks.normalise import normalise
from tasks.hooks.registry import handlers_for

_MAX_ERROR_CHARS = 2000
_CONNECT_SECONDS = 2.0
# The transaction of a killed process may still hold the delivery.
_LIMIT = "SET LOCAL statement_timeout = '5s'"

logger = logging.getLogger(__name__)


class HookTask(Task):
    """A task of hooks: its first argument is a hook as it was ingested."""

    abstract = True

    def on_failure(
        self,
        exc: Exception,
        task_id: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        einfo: Any,  # noqa: ARG002 (Celery's signature)
    ) -> None:
        """Keep the hook as failed, in a transaction of its own.

        A hook that was refused is not kept: there is nothing trustworthy to key it by.
        """
        if isinstance(exc, InvalidHook):
            return
        try:
            _record(_ingested(args, kwargs), task_id, exc, in_child=self.request.id == task_id)
        except Exception:
            # The task itself has failed already, and says why; this must not hide it.
            logger.exception("the hook of task %s failed and could not be recorded as failed", task_id)


def _ingested(args: Sequence[Any], kwargs: Mapping[str, Any]) -> object:
    return args[0] if args else kwargs.get("event")


def _record(ingested: object, task_id: str, error: Exception, *, in_child: bool) -> None:
    try:
        delivery = parse(ingested, settings.current().hook_max_bytes, lambda _: task_id)
    except InvalidHook:
        return
    event = normalise(delivery, datetime.now(UTC))
    handlers = tuple(registration.name for registration in handlers_for(event.name))
    outcome = store.Outcome("failed", handlers, _shown(error))
    with _transaction(in_child=in_child) as connection:
        connection.execute(_LIMIT)
        store.record(connection, event, delivery.payload_json, outcome, None)


@contextmanager
def _transaction(*, in_child: bool) -> Iterator[Connection[TupleRow]]:
    if in_child:
        with postgres.transaction() as connection:
            yield connection
        return
    # After a hard limit Celery asks in its main process, whose loop must not wait for the pool's 30 seconds.
    url = settings.current().database_url
    with postgres.connect(url, _CONNECT_SECONDS) as connection, connection.transaction():
        yield connection


def _shown(error: Exception) -> str:
    notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
    return clean(redaction.text(f"{type(error).__name__}: {error}{notes}"))[:_MAX_ERROR_CHARS]
