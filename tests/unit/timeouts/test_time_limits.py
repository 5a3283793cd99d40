"""What a deadline leaves of a task's limits."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.worker.time_limits import Limits, within

# Of 300 and 30 seconds.
_PART = 300 / 330
_seconds = st.floats(0.01, 1e6)


def test_a_deadline_that_comes_later_changes_nothing() -> None:
    assert within(300, 330, 3600, _PART) == Limits(300, 330)
    assert within(None, 20, 100, _PART) == Limits(None, 20)


def test_both_limits_shrink_in_proportion() -> None:
    assert within(60, 100, 50, _PART) == Limits(30, 50, shrunk_soft=True, shrunk_hard=True)


def test_with_the_default_limits_a_minute_leaves_54_seconds() -> None:
    limits = within(300, 330, 60, _PART)

    assert (round(limits.soft or 0, 1), limits.hard) == (54.5, 60)


def test_a_task_that_lacks_a_limit_is_told_after_the_part_that_the_settings_give() -> None:
    assert within(None, None, 110, _PART) == Limits(100, 110, shrunk_soft=True, shrunk_hard=True)
    assert within(None, 200, 110, _PART) == Limits(100, 110, shrunk_soft=True, shrunk_hard=True)
    assert within(10, None, 110, _PART) == Limits(10, 110, shrunk_hard=True)


def test_a_limit_of_zero_is_none_as_celery_means_it() -> None:
    assert within(0, 0, 100, _PART) == within(None, None, 100, _PART)


def test_a_soft_limit_behind_the_hard_one_is_none() -> None:
    assert within(20, 1, 100, _PART) == Limits(None, 1)


@given(_seconds, _seconds, _seconds)
def test_both_limits_are_what_the_formula_says(soft: float, between: float, left: float) -> None:
    hard = soft + between
    limits = within(soft, hard, left, _PART)

    assert limits.hard == min(hard, left)
    assert limits.soft is not None
    assert abs(limits.soft - min(soft, left * soft / hard)) < 1e-6
    assert limits.shrunk_hard == (left < hard)
    assert limits.shrunk_soft == (limits.soft < soft)


@given(st.none() | _seconds, st.none() | _seconds, _seconds, st.floats(0.01, 0.99))
def test_a_task_is_killed_by_its_deadline_at_the_latest_and_told_before(
    soft: float | None, hard: float | None, left: float, part: float
) -> None:
    limits = within(soft, hard, left, part)

    assert limits.hard is not None
    assert 0 < limits.hard <= min(left, inf if hard is None else hard)
    assert limits.soft is None or 0 < limits.soft < limits.hard
