"""Tells Celery of an outcome that no child has told of: result backend, errbacks, chord, hooks, signals.

Each function may be called again when it has raised: what it tells twice is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import signals, states
from celery.app.trace import task_has_custom

from orchestrator import logger
from orchestrator.timeouts import published
from orchestrator.worker.unstored import Unstored

_LOG = logger.get(__name__)


def failure(request: Any, error: BaseException, exc_info: Any, *, hooks: bool) -> None:
    """Do what the child would have done: store, errbacks, chord; then hooks and signals, which fail alone."""
    task, context = request.task, request._context  # noqa: SLF001 (Celery's)
    with published.forgiving():
        task.backend.mark_as_failure(
            request.id, error, str(exc_info.traceback), request=context, store_result=request.store_errors
        )
    arguments = (request.id, request.args, request.kwargs)
    task.request_stack.push(context)
    try:
        if hooks:
            _alone(lambda: task.on_failure(error, *arguments, exc_info))
            if task_has_custom(task, "after_return"):
                _alone(lambda: task.after_return(states.FAILURE, error, *arguments, exc_info))
        signals.task_failure.send(
            sender=task,
            task_id=request.id,
            exception=error,
            args=request.args,
            kwargs=request.kwargs,
            traceback=exc_info.tb,
            einfo=exc_info,
        )
    finally:
        task.request_stack.pop()


def unstored(request: Any, outcome: Unstored) -> None:
    """Store what could not be stored where the task ran."""
    backend, context = request.task.backend, request._context  # noqa: SLF001
    if outcome.state == states.IGNORED:
        backend.on_chord_part_return(context, states.SUCCESS, None)
        return
    if outcome.error is None:
        backend.mark_as_done(request.id, outcome.result, context, not request.ignore_result)
        return
    with published.forgiving():
        backend.mark_as_failure(
            request.id, outcome.error, outcome.traceback, request=context, store_result=request.store_errors
        )


def revocation(request: Any, reason: str, *, terminated: bool, signum: Any, expired: bool) -> None:
    """Store that it was revoked, or has expired, and send the signal."""
    context = request._context  # noqa: SLF001
    request.task.backend.mark_as_revoked(
        request.id, reason, request=context, store_result=request.store_errors
    )
    signals.task_revoked.send(
        sender=request.task, request=context, terminated=terminated, signum=signum, expired=expired
    )


def _alone(call: Callable[[], Any]) -> None:
    try:
        call()
    except BaseException:
        # Also `sys.exit` in a hook: it ends neither the worker nor the report.
        _LOG.exception("hook_failed")
