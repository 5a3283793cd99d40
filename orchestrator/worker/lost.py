"""What becomes of a task whose process died: what it stored before that counts, else it is tried again.

All of it waits for the result backend: beside the worker's event loop.
"""

from __future__ import annotations

from typing import Any

from celery import states
from celery.backends.base import DisabledBackend
from celery.utils.saferepr import saferepr

from orchestrator.retry.again import PutBack
from orchestrator.worker import retrying
from orchestrator.worker.next_attempt import changed


def report(request: Any, error: BaseException, exc_info: Any) -> None:
    """Tell of the loss, and put the message back for another attempt, or bury it after the last one."""
    if has_succeeded(request):
        return
    context, task = request._context, request.task  # noqa: SLF001 (Celery's)
    most = retrying.most(task, error)
    if most is not None and context.retries >= most:
        request.tell_then_bury(error, exc_info)
        return
    if request.store_errors:
        task.backend.mark_as_retry(request.id, error, exc_info.traceback, request=context)
    request.send_event("task-retried", exception=saferepr(error), traceback=str(exc_info.traceback))
    asked = PutBack(delay_seconds=float(task.default_retry_delay), headers={"retries": context.retries + 1})
    asked = request.following(retrying.paced(request, asked), error)
    request.claim.put_back(asked.delay_seconds, changed(request.claim.envelope, asked))


def has_succeeded(request: Any) -> bool:
    """Whether it died only after its success was stored: then it is settled as what it is."""
    stored = _stored_success(request)
    if stored is None:
        return False
    context = request._context  # noqa: SLF001 (Celery's)
    if context.chord:
        # It may have died before it returned its part; one that is there is not counted twice.
        request.task.backend.on_chord_part_return(context, states.SUCCESS, stored["result"])
    request.acknowledge()
    return True


def _stored_success(request: Any) -> dict[str, Any] | None:
    """What was stored by a process that died after its success; raises while nobody can say."""
    backend = request.task.backend
    if request.ignore_result or isinstance(backend, DisabledBackend) or backend.as_uri() == "rpc://":
        return None
    meta: dict[str, Any] = backend.get_task_meta(request.id, cache=False)
    return meta if meta["status"] == states.SUCCESS else None
