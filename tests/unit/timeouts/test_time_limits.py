"""What a deadline leaves of a task's limits."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.worker.time_limits import Limits, within

_seconds = st.floats(0.01, 1e6)


def test_a_deadline_that_comes_later_changes_nothing() -> None:
    assert within(300, 330, 3600, 30) == Limits(300, 330)


def test_who_is_killed_at_the_deadline_is_told_as_long_before_as_its_own_limits_lie_apart() -> None:
    assert within(300, 330, 100, 5) == Limits(70, 100, shrunk_soft=True, shrunk_hard=True)


def test_half_of_what_is_left_is_left_to_it_before_it_is_told() -> None:
    assert within(300, 330, 40, 5) == Limits(20, 40, shrunk_soft=True, shrunk_hard=True)


def test_a_soft_limit_that_comes_before_stays_its_own() -> None:
    assert within(10, 330, 340, 30) == Limits(10, 330)
    assert within(10, 330, 329, 30) == Limits(10, 329, shrunk_hard=True)


def test_a_task_without_limits_is_told_the_grace_period_before_its_deadline() -> None:
    assert within(None, None, 100, 30) == Limits(70, 100, shrunk_soft=True, shrunk_hard=True)
    assert within(None, 20, 100, 30) == Limits(None, 20)


def test_a_limit_of_zero_is_none_as_celery_means_it() -> None:
    assert within(0, 0, 100, 30) == within(None, None, 100, 30)


def test_a_soft_limit_behind_the_hard_one_is_none() -> None:
    assert within(20, 1, 100, 30) == Limits(None, 1)


@given(_seconds, _seconds, _seconds, _seconds)
def test_both_limits_are_what_the_formula_says(
    soft: float, between: float, left: float, grace: float
) -> None:
    hard = soft + between
    limits = within(soft, hard, left, grace)

    assert limits.hard == min(hard, left)
    assert limits.soft is not None
    assert abs(limits.soft - min(soft, max(left - (hard - soft), left / 2))) < 1e-6
    assert limits.shrunk_hard == (left < hard)
    assert limits.shrunk_soft == (limits.soft < soft)


@given(st.none() | _seconds, st.none() | _seconds, _seconds, st.floats(0, 1e6))
def test_a_task_is_killed_by_its_deadline_at_the_latest_and_told_before(
    soft: float | None, hard: float | None, left: float, grace: float
) -> None:
    limits = within(soft, hard, left, grace)

    assert limits.hard is not None
    assert 0 < limits.hard <= min(left, inf if hard is None else hard)
    assert limits.soft is None or 0 < limits.soft < limits.hard
