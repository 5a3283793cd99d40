"""A task's soft and hard limit, and what a deadline leaves of them."""

from __future__ import annotations

from dataclasses import dataclass


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


def within(soft: float | None, hard: float | None, left_seconds: float, grace_seconds: float) -> Limits:
    """The limits of a task that has so much time left.

    Who is killed at the deadline is told before: as long before as the task's own limits lie apart, or else
    by the grace period, but not before half of what is left. A soft limit that comes after the hard one would
    only put it off (billiard counts the hard limit from the soft one), and is none.
    """
    # Celery takes 0 for none: `celery worker --time-limit 0`.
    soft, hard = soft or None, hard or None
    if soft is not None and hard is not None and soft >= hard:
        soft = None
    between = hard - soft if soft is not None and hard is not None else grace_seconds
    shrinks_hard = hard is None or left_seconds < hard
    told = max(left_seconds - between, left_seconds / 2)
    shrinks_soft = shrinks_hard and (soft is None or told < soft)
    if shrinks_hard:
        hard = left_seconds
    if shrinks_soft:
        soft = told
    if soft is not None and hard is not None and soft >= hard:
        soft, shrinks_soft = None, False
    return Limits(soft, hard, shrinks_soft, shrinks_hard)
