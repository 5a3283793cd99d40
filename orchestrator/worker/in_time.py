"""Deadlines where the task runs: one that is over as it begins, one that has shortened its soft limit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from orchestrator import times
from orchestrator.errors import DeadlineExceeded
from orchestrator.timeouts import deadline, published
from orchestrator.timeouts.deadline import DEADLINE, HEADERS, IS_DEFAULT, Deadline
from orchestrator.worker import deadlines, time_limits

# Two clocks were read for it.
_SLACK_SECONDS = 0.1


def begin(request: Any) -> float | None:
    """A task begins; returns the seconds that its deadline leaves, None where it has none.

    Raises:
        DeadlineExceeded: it is over.
    """
    if request.is_eager:
        # There is no main process that has told it of what its message says.
        carried = request.headers or {}
        request.update({name: carried[name] for name in HEADERS if name in carried})
    left_seconds = deadline.begin(request)
    if left_seconds is not None and left_seconds <= 0:
        raise DeadlineExceeded(
            f"not begun: its deadline was due at {deadline.text(request.get(DEADLINE))}, "
            "and no process had time for it before"
        )
    return left_seconds


def eager(task: Any, said: Any, headers: Mapping[str, Any] | None) -> dict[str, Any]:
    """The headers of a task that is run here and now: with its deadline, no later than that of what runs it.

    Raises:
        InvalidDeadline: there is no such deadline, or it has passed.
    """
    now, own = time.time(), dict(headers or {})
    own |= published.headers(task, task.name, said, own, {})
    found = deadline.read(own, now) or deadlines.default(task.name, task.time_limit, now)
    around = deadline.left_of_task()
    if around is not None and now + around < found.at:
        found = Deadline(now + around, found.is_default)
    return {name: value for name, value in own.items() if name not in HEADERS} | found.headers()


def meaning(task: Any, error: Exception, left_at_begin: float | None) -> Exception:
    """What a task has failed of: of its deadline, where that has shortened the soft limit which struck.

    A soft limit of the task's own gets words that say so.
    """
    left_seconds = deadline.left_of(task.request)
    if not _is_soft_limit(error) or left_at_begin is None or left_seconds is None:
        return error
    hard, soft = task.request.timelimit or (None, None)
    soft = soft or task.soft_time_limit or task.app.conf.task_soft_time_limit
    hard = hard or task.time_limit or task.app.conf.task_time_limit
    limits = time_limits.within(soft, hard, left_at_begin)
    ran_seconds = left_at_begin - left_seconds
    if not limits.shrunk_soft or limits.soft is None or ran_seconds < limits.soft - _SLACK_SECONDS:
        if not error.args and soft:
            # Billiard gives it no words.
            said = f"told to stop after {times.length(soft)}, its soft limit"
            todo = "catch SoftTimeLimitExceeded to save what it has, or give it a longer soft_time_limit"
            error.args = (f"{said}: {todo}",)
        return error
    return DeadlineExceeded(
        f"told to stop after {times.length(ran_seconds)}, {times.length(left_seconds)} before its deadline "
        f"({deadline.text(task.request.get(DEADLINE))}), at which it is killed: both limits shrink to what a "
        "deadline leaves"
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
