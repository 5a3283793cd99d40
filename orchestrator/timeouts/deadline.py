"""When a task must be over with all its attempts: as a caller says it, and as a message carries it.

A deadline that a caller asked for is a moment: it counts from the enqueue, whatever the message waits for.
The default one (`TIMEOUT_GLOBAL_DEFAULT`) is running and retrying time from the first claim on: while the
message waits for a breaker, or what follows it waits in a queue, the message carries what is left instead.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from celery._state import get_current_task

from orchestrator.errors import InvalidDeadline

# Unix seconds.
DEADLINE = "omninode-deadline"
# True beside it: nobody asked for it.
IS_DEFAULT = "omninode-deadline-default"
# Instead of both: so many seconds, which begin to count when the message is next claimed.
LEFT = "omninode-deadline-left"
HEADERS = (DEADLINE, IS_DEFAULT, LEFT)

# As an option of a child: it has to be over when its parent has to.
INHERIT: Literal["inherit"] = "inherit"

# Ten years, as for every length of time in the settings.
LONGEST_SECONDS = 315_360_000.0
# On a running task's request: its deadline by this process's monotonic clock, which no one sets.
_ENDS_AT = "omninode_ends_at"

# What `deadline=` may be: seconds from now, a length of time, a moment with its zone (also as ISO 8601 text),
# or "inherit".
Given = float | timedelta | datetime | str


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment in Unix seconds, and whether it is the default one, which nobody asked for."""

    at: float
    is_default: bool = False

    def headers(self) -> dict[str, Any]:
        """It as a message carries it."""
        return {DEADLINE: self.at, IS_DEFAULT: True} if self.is_default else {DEADLINE: self.at}


def moment(given: Any, now: float, *, may_have_passed: bool = False) -> float:
    """The Unix second that a caller's `deadline=` means; not for "inherit".

    Raises:
        InvalidDeadline: it is no length of time and no moment, has passed, or is more than ten years away.
    """
    said = datetime.fromisoformat(given) if _is_iso(given) else given
    if isinstance(said, datetime):
        if said.tzinfo is None:
            raise InvalidDeadline(
                f"deadline={given!r} has no zone: use datetime.now(UTC) + timedelta(…), or seconds"
            )
        at = said.timestamp()
    else:
        at = now + _seconds(given)
    if at <= now and not may_have_passed:
        raise InvalidDeadline(f"deadline={given!r} has passed: nothing was enqueued")
    if at - now > LONGEST_SECONDS:
        raise InvalidDeadline(f"deadline={given!r} is more than ten years away")
    return max(0.0, at)


def read(headers: Any, claimed_at: float) -> Deadline | None:
    """The deadline in a message's headers, which was claimed at this Unix second; None where there is none.

    What is no number of ours, such as one in milliseconds, is no deadline.
    """
    if not isinstance(headers, Mapping):
        return None
    at, left = number(headers.get(DEADLINE)), number(headers.get(LEFT))
    if at is not None and at <= claimed_at + LONGEST_SECONDS:
        return Deadline(at, headers.get(IS_DEFAULT) is True)
    if left is None or left > LONGEST_SECONDS:
        return None
    return Deadline(claimed_at + max(0.0, left), is_default=True)


def of_task(task: Any, enqueued_at: float) -> Deadline | None:
    """What the task's own attribute `deadline` means for a message that was enqueued at this Unix second.

    It counts where nobody asked for another one. None where the task has none.
    """
    own = getattr(task, "deadline", None)
    return None if own is None else Deadline(enqueued_at + _seconds(own))


def check(task: str, own: Any) -> None:
    """Hold a task's attribute `deadline` against what it may be: a length of time, or None.

    Raises:
        InvalidDeadline: naming the task.
    """
    if own is None:
        return
    if isinstance(own, datetime | str):
        raise InvalidDeadline(f"{task}: deadline={own!r} must be seconds, or a timedelta")
    try:
        moment(own, 0.0)
    except InvalidDeadline as error:
        raise InvalidDeadline(f"{task}: {error}") from None


def inherited(request: Any, now: float) -> dict[str, Any]:
    """The headers of what inherits the deadline of a task with this request; none where it has none.

    One that was asked for stays that moment. Of a default one what is left is passed on: to wait in a queue
    uses nothing of it up.
    """
    at = number(request.get(DEADLINE))
    if at is None:
        return {}
    if request.get(IS_DEFAULT) is not True:
        return {DEADLINE: at}
    left_seconds = left_of(request)
    return {LEFT: round(max(0.0, at - now if left_seconds is None else left_seconds), 3)}


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


def portable(given: Any, now: float, *, may_have_passed: bool = False) -> Any:
    """A caller's `deadline=` as every serializer can write it: a length of time in seconds, a moment as text.

    Raises:
        InvalidDeadline: as `moment`.
    """
    if given == INHERIT:
        return INHERIT
    at = moment(given, now, may_have_passed=may_have_passed)
    return exact(at) if isinstance(given, datetime | str) else _seconds(given)


def exact(at: float) -> str:
    """A moment as text that `moment` reads, to the microsecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


def number(value: Any) -> float | None:
    """A finite number in somebody's header or option; None for whatever else stands there."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def _is_iso(given: Any) -> bool:
    if not isinstance(given, str):
        return False
    try:
        datetime.fromisoformat(given)
    except ValueError:
        return False
    return True


def _seconds(given: Any) -> float:
    if isinstance(given, timedelta):
        return given.total_seconds()
    seconds = number(given)
    if seconds is None:
        raise InvalidDeadline(
            f"deadline={given!r} must be seconds from now, a timedelta, a datetime with its zone, "
            f"or {INHERIT!r}"
        )
    return seconds
