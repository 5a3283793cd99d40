"""When a check with an `every` of its own is due."""

import pytest

from monitoring.health import Check
from monitoring.health.results import is_due
from monitoring.health.verdict import CheckResult


def _last(at: float) -> CheckResult:
    return CheckResult("stock", "healthy", 0.1, "works", at)


def _check(every: float | None) -> Check:
    return Check("stock", lambda: None, every)


@pytest.mark.parametrize(
    ("every", "seconds_ago", "due"),
    [
        (None, 0.1, True),
        (60, 30, False),
        (60, 44.9, False),
        (60, 59.2, True),  # the tick came a little early: the next one would be half a minute late
        (60, 61, True),
        (5, 2, False),
        (5, 30, True),
    ],
)
def test_a_check_runs_at_the_tick_nearest_to_its_interval(
    every: float | None, seconds_ago: float, *, due: bool
) -> None:
    now = 1_700_000_000.0

    assert is_due(_check(every), _last(now - seconds_ago), now, tick_seconds=30) is due


def test_a_check_that_never_ran_is_due() -> None:
    assert is_due(_check(86_400), None, now=1_700_000_000.0, tick_seconds=30)
