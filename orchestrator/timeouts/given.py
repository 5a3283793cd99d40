"""A deadline as somebody says it: a caller's `deadline=`, a canvas's, a task's own attribute."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from orchestrator.errors import InvalidDeadline
from orchestrator.timeouts.deadline import LONGEST_SECONDS, Deadline, number, text

# As an option of a child: it has to be over when its parent has to.
INHERIT: Literal["inherit"] = "inherit"
# What `deadline=` may be: seconds from now, a length of time, a moment with its zone (also as ISO 8601 text),
# or "inherit".
Given = float | timedelta | datetime | str

# Before a moment in a signature: it is its canvas's, so a task's own attribute counts where that is earlier.
_CANVAS = "canvas "
_SHOWN_CHARACTERS = 80


def moment(
    given: Any, now: float, *, may_have_passed: bool = False, options: Mapping[str, Any] | None = None
) -> float:
    """The Unix second that a caller's `deadline=` means; not for "inherit".

    Of `options`, the task's, eta and countdown count. `may_have_passed`: it is too late to refuse anything
    but what is no deadline.

    Raises:
        InvalidDeadline: it is no length of time and no moment, has passed, comes before the eta, or is more
            than ten years away.
    """
    said = _datetime(given)
    if said is None:
        at = now + _seconds(given)
    elif said.tzinfo is None:
        raise InvalidDeadline(
            f"deadline={_shown(given)} has no zone: use datetime.now(UTC) + timedelta(…), or seconds"
        )
    else:
        at = said.timestamp()
    if at <= now and not may_have_passed:
        raise InvalidDeadline(f"deadline={_shown(given)} has passed: nothing was enqueued")
    if at - now > LONGEST_SECONDS:
        raise InvalidDeadline(f"deadline={_shown(given)} is more than ten years away")
    eta = eta_of(options, now) if options and not may_have_passed else None
    if eta is not None and at <= eta:
        raise InvalidDeadline(
            f"deadline={_shown(given)} is not later than its eta or countdown ({text(eta)}), before "
            "which it does not begin: nothing was enqueued"
        )
    return max(0.0, at)


def eta_of(options: Mapping[str, Any], now: float) -> float | None:
    """The Unix second before which a task with these options, or headers, does not begin; None: at once."""
    eta, countdown = options.get("eta"), number(options.get("countdown"))
    if countdown:
        return now + countdown
    try:
        read = datetime.fromisoformat(eta) if isinstance(eta, str) else eta
        # Without a zone it is the app's own; its message says which.
        return read.timestamp() if isinstance(read, datetime) and read.tzinfo else None
    except (ValueError, OverflowError):
        return None


def portable(
    given: Any, now: float, *, may_have_passed: bool = False, options: Mapping[str, Any] | None = None
) -> float | str:
    """A caller's `deadline=` as every serializer can write it: a length of time in seconds, a moment as text.

    Raises:
        InvalidDeadline: as `moment`.
    """
    if given == INHERIT or is_canvas(given):
        return str(given)
    at = moment(given, now, may_have_passed=may_have_passed, options=options)
    return exact(at) if isinstance(given, datetime | str) else _seconds(given)


def exact(at: float) -> str:
    """A moment as text that `moment` reads, to the microsecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


def canvas(at: float) -> str:
    """The moment of a canvas as the signatures of its members carry it, which `moment` reads too."""
    return _CANVAS + exact(at)


def is_canvas(given: Any) -> bool:
    """Whether it was given for a whole canvas, and not for this very message."""
    return isinstance(given, str) and given.startswith(_CANVAS) and _datetime(given) is not None


def of_task(task: Any, enqueued_at: float) -> Deadline | None:
    """What the task's own attribute `deadline` means for a message that was enqueued at this Unix second.

    It counts where nobody asked for another one for that very message. None where the task has none.
    """
    own = getattr(task, "deadline", None)
    return None if own is None else Deadline(enqueued_at + _seconds(own))


def earlier(own: Deadline | None, handed: Deadline | None) -> Deadline | None:
    """Which counts of a task's own and of what was handed on: the earlier one; its own before a default."""
    if own is None or handed is None:
        return own or handed
    return own if handed.is_default or own.at < handed.at else handed


def check(task: str, own: Any) -> None:
    """Hold a task's attribute `deadline` against what it may be: a length of time, or None.

    Raises:
        InvalidDeadline: naming the task.
    """
    if own is None:
        return
    seconds = own.total_seconds() if isinstance(own, timedelta) else number(own)
    if seconds is None or not 0 < seconds <= LONGEST_SECONDS:
        raise InvalidDeadline(
            f"{task}: its deadline must be a number of seconds or a timedelta, more than 0 and ten years at "
            f"most: {_shown(own)}"
        )


def _datetime(given: Any) -> datetime | None:
    if not isinstance(given, str):
        return given if isinstance(given, datetime) else None
    try:
        return datetime.fromisoformat(given.removeprefix(_CANVAS))
    except ValueError:
        return None


def _seconds(given: Any) -> float:
    seconds = given.total_seconds() if isinstance(given, timedelta) else number(given)
    if seconds is None:
        raise InvalidDeadline(
            f"deadline={_shown(given)} must be seconds from now, a timedelta, a datetime with its zone (also "
            f"as text in ISO 8601), or {INHERIT!r}"
        )
    return seconds


def _shown(given: Any) -> str:
    """What was given, as far as an error's sentence has room for it."""
    try:
        shown = repr(given)
    except Exception:
        # A number of more than 4300 digits has no text.
        shown = f"a {type(given).__name__}"
    return shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[:_SHOWN_CHARACTERS]}…"
