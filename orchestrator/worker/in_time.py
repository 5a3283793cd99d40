"""Deadlines where the task runs: one that is over as it begins, one that has shortened its soft limit."""

from __future__ import annotations

from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from orchestrator import settings, times
from orchestrator.errors import DeadlineExceeded
from orchestrator.timeouts import deadline
from orchestrator.timeouts.deadline import DEADLINE, IS_DEFAULT, Deadline
from orchestrator.worker import time_limits

# Two clocks were read for it.
_SLACK_SECONDS = 0.1


def begin(request: Any) -> float | None:
    """A task begins; returns the seconds that its deadline leaves, None where it has none.

    Raises:
        DeadlineExceeded: it is over.
    """
    left_seconds = deadline.begin(request)
    if left_seconds is not None and left_seconds <= 0:
        raise DeadlineExceeded(
            f"not begun: its deadline was due at {deadline.text(request.get(DEADLINE))}, "
            "and no process had time for it before"
        )
    return left_seconds


def meaning(task: Any, error: Exception, left_at_begin: float | None) -> Exception:
    """What a task has failed of: of its deadline, where that has shortened the soft limit which struck."""
    left_seconds = deadline.left_of(task.request)
    if not _is_soft_limit(error) or left_at_begin is None or left_seconds is None:
        return error
    hard, soft = task.request.timelimit or (None, None)
    soft = soft or task.soft_time_limit or task.app.conf.task_soft_time_limit
    hard = hard or task.time_limit or task.app.conf.task_time_limit
    limits = time_limits.within(soft, hard, left_at_begin, settings.current().timeout_grace_period)
    ran_seconds = left_at_begin - left_seconds
    if not limits.shrunk_soft or limits.soft is None or ran_seconds < limits.soft - _SLACK_SECONDS:
        return error
    return DeadlineExceeded(
        f"told to stop after {times.length(ran_seconds)}, {times.length(left_seconds)} before its deadline "
        f"({deadline.text(task.request.get(DEADLINE))}), which comes before its limits"
    )


def keep(signature: Any, request: Any) -> Any:
    """The signature of a next attempt that is published anew: this one's deadline holds, or its own."""
    at, options = request.get(DEADLINE), signature.options
    if at is not None and options.get("deadline") is None:
        kept = Deadline(at, request.get(IS_DEFAULT) is True).headers()
        options["headers"] = kept | (options.get("headers") or {})
    return signature


def _is_soft_limit(error: Exception) -> bool:
    return isinstance(error, SoftTimeLimitExceeded)
