"""A task's soft and hard limit, and what a deadline leaves of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from orchestrator import settings


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds from the task's beginning; None: there is none.

    `shrunk_soft` and `shrunk_hard` say which of them the deadline has made shorter.
    """

    soft: float | None = None
    hard: float | None = None
    shrunk_soft: bool = False
    shrunk_hard: bool = False


NONE = Limits()


def within(soft: float | None, hard: float | None, left_seconds: float, part: float | None = None) -> Limits:
    """The limits of a task that has so much time left.

    Where that is less than its hard limit both shrink in proportion. `part` is what the soft limit is of the
    hard one where it lacks either: what it is of the settings' own, unless given. A soft limit that comes
    after the hard one would only put it off (billiard counts the hard limit from the soft one), and is none.
    """
    # Celery takes 0 for none: `celery worker --time-limit 0`.
    soft, hard = soft or None, hard or None
    if soft is not None and hard is not None and soft >= hard:
        soft = None
    if hard is not None and hard <= left_seconds:
        return _own(soft, hard)
    part = default_part() if part is None else part
    told = left_seconds * (soft / hard if soft is not None and hard is not None else part)
    if soft is not None and soft <= told:
        return Limits(soft, left_seconds, shrunk_hard=True)
    if told >= left_seconds:
        # They lie closer together than numbers can.
        return Limits(None, left_seconds, shrunk_hard=True)
    return Limits(told, left_seconds, shrunk_soft=True, shrunk_hard=True)


@lru_cache(maxsize=64)
def _own(soft: float | None, hard: float) -> Limits:
    # Nearly every task: it gets the same record as all that have its limits.
    return Limits(soft, hard)


def default_part() -> float:
    """What the soft limit is of the hard one where a task names none."""
    current = settings.current()
    return current.soft_limit_seconds / current.hard_limit_seconds
