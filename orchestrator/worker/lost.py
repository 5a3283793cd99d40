"""What becomes of a task whose process died: what it stored before that counts, else it is tried again.

All of it waits for the result backend: beside the worker's event loop.
"""

from __future__ import annotations

from typing import Any

from celery import states
from celery.backends.base import DisabledBackend

from orchestrator.worker import deadlines, put_back, retrying
from orchestrator.worker.outcome import raised


def report(request: Any, error: BaseException, exc_info: Any) -> None:
    """Tell of the loss, and put the message back for another attempt, or bury it after the last one."""
    if has_succeeded(request):
        return
    most = retrying.most(request.task, error)
    if most is not None and request._context.retries >= most:  # noqa: SLF001 (Celery's)
        request.tell_then_bury(error, exc_info)
        return
    put_back.lost(request, error, exc_info)


def report_killed(request: Any, error: BaseException, exc_info: Any) -> None:
    """A hard limit has struck, which may have been its deadline's: bury it, unless it has just succeeded."""
    if has_succeeded(request):
        return
    limits = request.timing.limits
    if limits.shrunk_hard:
        error = deadlines.killed(request.deadline, limits.hard)
        exc_info = raised(error)
    request.tell_then_bury(error, exc_info)


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
