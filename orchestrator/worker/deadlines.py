"""Until when a claimed task has to be over with all its attempts, and how its message says so afterwards."""

from __future__ import annotations

import math
import time
from typing import Any

from orchestrator import settings, stamp, times
from orchestrator.errors import DeadlineExceeded
from orchestrator.stamp import ASIDE
from orchestrator.timeouts import deadline, given, published
from orchestrator.timeouts.deadline import HEADERS, INHERITED, LEFT, LONGEST_SECONDS, Deadline
from orchestrator.transport.claim import Claim
from orchestrator.transport.envelope import Envelope
from orchestrator.worker import aside


def of(claim: Claim, task: Any, own_hard: Any) -> Deadline:
    """The deadline of a claimed message: its headers', the task's own from its enqueue on, or the default.

    Of one that its message has inherited and the task's own the earlier one counts. `own_hard` is
    the hard limit in seconds that the message or the task names; None: neither does.
    """
    headers, first = claim.envelope.get("headers"), claim.first_claimed_at
    found = deadline.read(headers, first)
    if found and headers and headers.get(INHERITED) is not True:
        return found
    if found is None and getattr(task, "deadline", None) is None:
        return default(task.name, own_hard, first)
    # A plain producer does not say when it was enqueued; one whose clock is wrong may say that it will be.
    enqueued = stamp.enqueued_at(headers) if isinstance(headers, dict) else None
    own = given.of_task(task, first if enqueued is None else min(enqueued, first))
    return given.earlier(own, found) or default(task.name, own_hard, first)


def default(task: str, own_hard: float | None, begins_at: float) -> Deadline:
    """That of a task which nobody gave one, from this Unix second on.

    One that may run for longer than that by itself is not cut short for what it has waited here.
    """
    current = settings.current()
    seconds = current.timeout_global_default
    if task == published.UNLOCK:
        # It polls for a chord's parts until the last of them has ended, however long that takes.
        seconds = LONGEST_SECONDS
    elif own_hard is not None and own_hard >= seconds:
        seconds = min(own_hard, LONGEST_SECONDS) + current.timeout_grace_period
    return Deadline(begins_at + seconds, is_default=True)


def tell(request: Any) -> Deadline:
    """Write its deadline into what the task's process gets, and return it."""
    found = of(request.claim, request.task, request.time_limits[0] or request.task.time_limit)
    told = request.request_dict
    for name in HEADERS:
        told.pop(name, None)
    told.update(found.headers())
    return found


def is_over(of_task: Deadline, after_seconds: float = 0.0) -> bool:
    """Whether a task that begins in so many seconds would begin too late."""
    return time.time() + after_seconds >= of_task.at


def waits_on(envelope: Envelope, of_task: Deadline) -> Envelope | None:
    """The message as it waits for its next look, with its deadline; None where it says that already."""
    headers = envelope.get("headers")
    if not isinstance(headers, dict):
        return None
    changed = _without(headers, ASIDE) | of_task.headers()
    return None if changed == headers else envelope | {"headers": changed}


def retried(headers: dict[str, Any], of_task: Deadline) -> dict[str, Any]:
    """The headers of a message whose next attempt has to be over by then as well."""
    return _without(headers) | of_task.headers()


def wait_seconds(of_task: Deadline) -> float:
    """For how long it may wait for a breaker: to the deadline that somebody has asked for."""
    return math.inf if of_task.is_default else max(0.0, of_task.at - time.time())


def set_aside(envelope: Envelope, of_task: Deadline) -> Envelope:
    """The message as it waits for a breaker: that wait is none of a default deadline's time."""
    left_seconds = max(0.0, of_task.at - time.time())
    carried = {LEFT: left_seconds} if of_task.is_default else of_task.headers()
    return envelope | {"headers": _without(envelope["headers"]) | carried}


def unbegun(request: Any) -> DeadlineExceeded:
    """Why a claimed task is not begun."""
    headers = request.claim.envelope.get("headers")
    enqueued = stamp.enqueued_at(headers) if isinstance(headers, dict) else None
    mark = aside.read(headers)
    waited_for = (
        f"the circuit of {mark.breaker!r}" if mark else f"its turn in the queue {request.claim.queue!r}"
    )
    eta = given.eta_of(headers, 0.0) if isinstance(headers, dict) else None
    if eta is not None and eta >= request.deadline.at:
        waited_for = f"its eta ({deadline.text(eta)}), which is not before its deadline"
    since = f"was enqueued at {deadline.text(enqueued)}, and " if enqueued is not None else ""
    due = f"its {_kind(request.deadline)} was due at {deadline.text(request.deadline.at)}"
    return DeadlineExceeded(f"not begun: {due}; it {since}has waited for {waited_for}")


def no_further(of_task: Deadline, last: str) -> DeadlineExceeded:
    """Why a task is not tried again; `last` says of what the last attempt has failed, or waits for."""
    return DeadlineExceeded(
        f"no further attempt could begin before the {_kind(of_task)} ({deadline.text(of_task.at)}): {last}"
    )


def killed(of_task: Deadline, seconds: float) -> DeadlineExceeded:
    """Why a running task was killed earlier than its hard limit says."""
    return DeadlineExceeded(
        f"killed after {times.length(seconds)}, at its {_kind(of_task)} ({deadline.text(of_task.at)}), "
        "which comes before its hard limit"
    )


def _kind(of_task: Deadline) -> str:
    return "default deadline (TIMEOUT_GLOBAL_DEFAULT)" if of_task.is_default else "deadline"


def _without(headers: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in headers.items() if name not in HEADERS and name not in names}
