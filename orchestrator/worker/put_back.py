"""Puts back the message of a task that is to be tried again, or to wait; buries it where that is too late."""

from __future__ import annotations

import math
from typing import Any

import structlog
from celery.utils.saferepr import saferepr
from celery.worker import state

from orchestrator import events, times
from orchestrator.deadletter.letter import class_of, message_of
from orchestrator.retry.again import PutBack
from orchestrator.worker import deadlines, gate, retrying, waits
from orchestrator.worker.next_attempt import changed, failed
from orchestrator.worker.outcome import bare, raised

_LOG = structlog.get_logger(__name__)


def wait(request: Any, seconds: float) -> None:
    """It cannot go on now, and looks again after so many seconds."""
    state.task_ready(request)
    if math.isfinite(seconds) and deadlines.is_over(request.deadline, seconds):
        _give_up(request, f"the task waits for {times.length(seconds)}")
        return
    envelope = request.claim.envelope
    waiting = waits.marked(envelope, deadlines.waits_on(envelope, request.deadline))
    request.claim.put_back(seconds, waiting, counts="waited")


def retry(request: Any, asked: PutBack, exc_info: Any) -> bool:
    """The same message again, with what `retry()` has changed; False: it was buried or set aside instead."""
    queue, priority = asked.queue or request.claim.queue, asked.priority
    to = "" if asked.queue is None and priority is None else request.list_of(queue, priority)
    if "retries" in asked.headers and gate.holds_back_retry(request, asked):
        gate.set_aside(request, request.breaker)
        return False
    if deadlines.is_over(request.deadline, asked.delay_seconds):
        last = _words(asked.exc) or str(asked.message or "it asked to be tried again")
        # Of an error that was never raised there is no more than that.
        _give_up(request, last, (asked.exc and str(retrying.told(asked, exc_info).traceback).strip()) or last)
        return False
    if "retries" in asked.headers:
        if retrying.gives_up(request, asked):
            told = retrying.told(asked, exc_info)
            request.tell_then_bury(bare(told), told)
            return False
        asked = _following(request, retrying.paced(request, asked), asked.exc)
    _put_back(request, asked, to)
    return True


def lost(request: Any, error: BaseException, exc_info: Any) -> None:
    """Another attempt, because the process of this one was killed."""
    context, task = request._context, request.task  # noqa: SLF001 (Celery's)
    request.timing.tell(error)
    asked = PutBack(delay_seconds=float(task.default_retry_delay), headers={"retries": context.retries + 1})
    if deadlines.is_over(request.deadline, asked.delay_seconds):
        _give_up(request, _words(error), exc_info.traceback)
        return
    if request.store_errors:
        task.backend.mark_as_retry(request.id, error, exc_info.traceback, request=context)
    request.send_event("task-retried", exception=saferepr(error), traceback=str(exc_info.traceback))
    _put_back(request, _following(request, retrying.paced(request, asked), error))


def _give_up(request: Any, last: str, traceback: Any = "") -> None:
    """Bury it: it could not begin before its deadline. What it failed of last, and where, is told with it."""
    error = deadlines.no_further(request.deadline, last)
    _LOG.error("task_not_tried_again", task=request.name, task_id=request.id, error=str(error))
    request.tell_then_bury(error, raised(error, str(traceback)))


def _following(request: Any, asked: PutBack, error: BaseException | None) -> PutBack:
    """The next attempt, told of this one, which has failed of `error`."""
    return failed(asked, request.claim.envelope["headers"], error, request.hostname)


def _put_back(request: Any, asked: PutBack, to: str = "") -> None:
    envelope, is_retry = changed(request.claim.envelope, asked, request.deadline), "retries" in asked.headers
    request.claim.put_back(asked.delay_seconds, envelope, to, "retried" if is_retry else "waited")
    if is_retry:
        events.emit(events.Retried(request.name, is_settled=True))


def _words(error: BaseException | None) -> str:
    return f"{class_of(error)}: {message_of(error)}" if error else ""
