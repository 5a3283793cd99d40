"""When a task must be over with all its attempts: as a message carries it, and as it counts where it runs.

A deadline that a caller asked for is a moment: it counts from the enqueue, whatever the message waits for.
The default one (`TIMEOUT_GLOBAL_DEFAULT`) is running and retrying time from the first claim on: while the
message waits for a breaker, or what follows it waits in a queue, the message carries what is left instead.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from celery._state import get_current_task

# Unix seconds.
DEADLINE = "omninode-deadline"
# True beside it: nobody asked for it.
IS_DEFAULT = "omninode-deadline-default"
# Instead of both: so many seconds, which begin to count when the message is next claimed.
LEFT = "omninode-deadline-left"
# True beside either: it was asked for something else, which this follows or is a part of.
INHERITED = "omninode-deadline-inherited"
HEADERS = (DEADLINE, IS_DEFAULT, LEFT, INHERITED)

# Ten years, as for every length of time in the settings.
LONGEST_SECONDS = 315_360_000.0
# On a running task's request: its deadline by this process's monotonic clock, which no one sets.
_ENDS_AT = "omninode_ends_at"


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment in Unix seconds, and whether it is the default one, which nobody asked for."""

    at: float
    is_default: bool = False

    def headers(self) -> dict[str, Any]:
        """It as a message carries it."""
        return {DEADLINE: self.at, IS_DEFAULT: True} if self.is_default else {DEADLINE: self.at}


def read(headers: Any, claimed_at: float) -> Deadline | None:
    """The deadline in a message's headers, which was claimed at this Unix second; None where there is none.

    What is no number of ours, such as one in milliseconds, is no deadline.
    """
    if not isinstance(headers, dict) or not (DEADLINE in headers or LEFT in headers):
        return None
    at, left = number(headers.get(DEADLINE)), number(headers.get(LEFT))
    if at is not None and at <= claimed_at + LONGEST_SECONDS:
        return Deadline(at, headers.get(IS_DEFAULT) is True)
    if left is None or left > LONGEST_SECONDS:
        return None
    return Deadline(claimed_at + max(0.0, left), is_default=True)


def inherited(request: Any, now: float) -> dict[str, Any]:
    """The headers of what inherits the deadline of a task with this request; none where it has none.

    One that was asked for stays that moment. Of a default one what is left is passed on: to wait in a queue
    uses nothing of it up.
    """
    at = number(request.get(DEADLINE))
    if at is None:
        return {}
    if request.get(IS_DEFAULT) is not True:
        return {DEADLINE: at, INHERITED: True}
    left_seconds = left_of(request)
    left_seconds = max(0.0, at - now if left_seconds is None else left_seconds)
    return {LEFT: round(left_seconds, 3), INHERITED: True}


def begin(request: Any) -> float | None:
    """A task begins in this process: from here on no jump of the clock moves its deadline.

    Returns:
        The seconds left; None where it has no deadline.
    """
    at = number(request.get(DEADLINE))
    if at is None:
        return None
    left_seconds = at - time.time()
    setattr(request, _ENDS_AT, time.monotonic() + left_seconds)
    return left_seconds


def left_of(request: Any) -> float | None:
    """The seconds that a running task's request has left, 0 at least; None where it has no deadline."""
    ends_at = vars(request).get(_ENDS_AT)
    return None if ends_at is None else max(0.0, ends_at - time.monotonic())


def left_of_task() -> float | None:
    """The seconds that the task which runs here has left; None outside one, or where it has no deadline."""
    # Celery's proxy would look twice.
    task = get_current_task()
    return left_of(task.request) if task else None


def text(at: float) -> str:
    """A deadline in words: ISO 8601; Unix seconds where no calendar goes that far."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return f"{at:g}"


def number(value: Any) -> float | None:
    """A finite number in somebody's header or option; None for whatever else stands there."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
