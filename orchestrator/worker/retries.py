"""What a task's process tells of a retry: what was asked for, and its cause as text.

Celery copies each frame of the traceback and pickles all of them for the main process, which only reads the
text: that costs more than the rest of a retry.
"""

from __future__ import annotations

import traceback
from typing import Any

from billiard.einfo import ExceptionInfo
from celery import signals
from celery.app import trace

from orchestrator.retry.again import PutBack


class Told(ExceptionInfo):  # type: ignore[misc]
    """Celery's account of an exception, without frames; without text where there is no cause to tell of."""

    def __init__(self, asked: PutBack) -> None:
        self.type = type(asked)
        self.exception = asked
        self.tb = None
        self.traceback = "".join(traceback.format_exception(asked)) if asked.__context__ else ""
        self.internal = False


def register() -> None:
    """Have Celery's tracers tell of our retries in this way; of others they tell as before."""
    celerys = trace.TraceInfo.handle_retry
    if getattr(celerys, "tells_of_ours", False):
        return

    def handle_retry(self: Any, task: Any, req: Any, store_errors: bool = True, **options: Any) -> Any:  # noqa: FBT001, FBT002
        if not isinstance(self.retval, PutBack):
            return celerys(self, task, req, store_errors=store_errors, **options)
        return _tell(self.retval, task, req, store_errors=store_errors)

    handle_retry.tells_of_ours = True  # type: ignore[attr-defined]
    trace.TraceInfo.handle_retry = handle_retry


def _tell(asked: PutBack, task: Any, request: Any, *, store_errors: bool) -> Told:
    told = Told(asked)
    if store_errors:
        task.backend.mark_as_retry(request.id, asked.exc, told.traceback, request=request)
    task.on_retry(asked.exc, request.id, request.args, request.kwargs, told)
    signals.task_retry.send(sender=task, request=request, reason=asked, einfo=told)
    name = trace.get_task_name(request, task.name)
    trace.info(trace.LOG_RETRY, {"id": request.id, "name": name, "exc": str(asked)})
    # Frames keep what they refer to alive.
    trace.traceback_clear(asked)
    return told
