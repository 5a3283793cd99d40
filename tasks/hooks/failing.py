"""Records a hook whose failure is final."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from celery import shared_task

from orchestrator import postgres, redaction, settings
from orchestrator.errors import InvalidHook
from orchestrator.storable import clean
from orchestrator.task import Task
from tasks.hooks import store
from tasks.hooks.delivery import parse
from tasks.hooks.registry import handlers_for
from tasks.hooks.sources.normalise import normalise

_MAX_ERROR_CHARS = 2000

logger = logging.getLogger(__name__)


@shared_task(name="omninode.hooks.record_failure", ignore_result=True)
def record_failure(ingested: Any, task_id: str, error: str) -> None:
    """Keep the hook as failed, unless it is settled: what is no hook cannot be kept."""
    try:
        delivery = parse(ingested, settings.current().hook_max_bytes, lambda _: task_id)
    except InvalidHook:
        return
    event = normalise(delivery, datetime.now(UTC))
    handlers = tuple(registration.name for registration in handlers_for(event.name))
    with postgres.transaction() as connection:
        store.record(connection, event, delivery.payload_json, store.Outcome("failed", handlers, error), None)


class HookTask(Task):
    """A task whose first argument is a hook as it was ingested; a final failure of it is recorded."""

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
        ingested = args[0] if args else kwargs.get("event")
        error = _shown(exc)
        # After a hard limit Celery calls in its main process, which must not wait, and it has not yet killed
        # the child, whose transaction still holds the delivery.
        if self.request.id == task_id and _try(record_failure, ingested, task_id, error):
            return
        _try(record_failure.delay, ingested, task_id, error)


def _try(act: Any, *args: Any) -> bool:
    """Whether it went well: the task has failed already and says why, which this must not hide."""
    try:
        act(*args)
    except Exception:
        logger.exception("the failure of a hook could not be recorded")
        return False
    return True


def _shown(error: Exception) -> str:
    notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", ()))
    return clean(redaction.text(f"{type(error).__name__}: {error}{notes}"))[:_MAX_ERROR_CHARS]
