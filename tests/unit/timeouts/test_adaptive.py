"""An adaptive timeout is twice the 99th percentile of the last runs within its bounds, and says why."""

import math
from bisect import insort
from collections.abc import Callable
from random import Random
from threading import Thread

import pytest

from orchestrator.errors import InvalidTimeout
from orchestrator.timeouts.adaptive import Adaptive

CALLS = 20_000
Durations = Callable[[Random, int], float]


def _lognormal(random: Random, _number: int) -> float:
    return random.lognormvariate(0.0, 0.9)


def _two_kinds(random: Random, _number: int) -> float:
    return random.lognormvariate(math.log(30.0 if random.random() < 0.2 else 0.6), 0.2)


def _slower_later(random: Random, number: int) -> float:
    return random.lognormvariate(0.0, 0.9) * (3.0 if number >= CALLS // 2 else 1.0)


def _by_the_hour(random: Random, number: int) -> float:
    return random.lognormvariate(0.0, 0.9) * (2.0 + math.sin(number / CALLS * 8 * math.pi))


def _timed_out(
    seconds: Callable[[], float], observe: Callable[[float, bool], None], take: Durations
) -> float:
    """The part of the calls that were timed out; none of them hangs, so all of that is false."""
    random, count = Random(7), 0
    for number in range(CALLS):
        took, limit = take(random, number), seconds()
        is_late = took > limit
        count += is_late
        # What is timed out is only known to have taken that long.
        observe(min(took, limit), is_late)
    return count / CALLS


@pytest.mark.parametrize("take", [_lognormal, _two_kinds, _slower_later, _by_the_hour])
def test_few_runs_are_timed_out_that_would_have_ended(take: Durations) -> None:
    timeout = Adaptive(0.1, 300.0)

    assert _timed_out(timeout.seconds, timeout.observe, take) <= 0.005


def test_a_timeout_at_the_percentile_itself_does_not_recover_from_a_shift() -> None:
    known: list[float] = []
    ordered: list[float] = []

    def seconds() -> float:
        return ordered[-1 - len(ordered) // 100] if len(ordered) >= 100 else 300.0

    def observe(duration: float, _timed_out: bool) -> None:  # noqa: FBT001
        known.append(duration)
        insort(ordered, duration)
        if len(known) > 1000:
            ordered.remove(known[-1001])

    assert _timed_out(seconds, observe, _slower_later) > 0.1


def test_it_has_grown_with_the_runs_a_window_after_they_became_slower() -> None:
    timeout = _after([1.0] * 1000 + [1.9] * 1000)

    assert timeout.seconds() == 3.8


@pytest.mark.parametrize(
    ("durations", "seconds", "source"),
    [
        ([1.0] * 99, 60.0, "too few samples"),
        ([1.0] * 100, 2.0, "p99"),
        ([0.01] * 100, 0.5, "floor"),
        ([40.0] * 100, 60.0, "ceiling"),
        ([1.0] * 990 + [9.0] * 10, 2.0, "p99"),
        ([1.0] * 989 + [9.0] * 11, 18.0, "p99"),
        ([9.0] * 1000 + [1.0] * 990, 2.0, "p99"),
    ],
)
def test_it_is_twice_the_percentile_within_its_bounds(
    durations: list[float], seconds: float, source: str
) -> None:
    timeout = _after(durations)

    assert timeout.seconds() == seconds
    assert timeout.explained()["source"] == source


def test_it_is_never_below_the_minimum() -> None:
    timeout = Adaptive(0.5, 60.0, 5.0)
    for _ in range(100):
        timeout.observe(1.0, timed_out=False)

    assert timeout.seconds() == 5.0
    assert timeout.explained()["source"] == "minimum"


def test_more_timeouts_than_one_in_a_hundred_lift_it_to_the_ceiling_until_they_have_passed() -> None:
    timeout = _after([1.0] * 990)
    seen = []

    for _ in range(11):
        timeout.observe(2.0, timed_out=True)
        seen.append(timeout.seconds())
    for _ in range(989):
        timeout.observe(1.0, timed_out=False)
        assert timeout.seconds() == 60.0
    timeout.observe(1.0, timed_out=False)

    assert seen[8:] == [2.0, 2.0, 60.0]
    assert timeout.seconds() == 2.0


def test_it_explains_itself() -> None:
    now = 100.0
    timeout = Adaptive(0.5, 60.0, clock=lambda: now)
    now = 200.0
    for number in range(200):
        timeout.observe(3.0 if number in {7, 8} else 1.0, timed_out=number == 7)

    assert timeout.explained() == {
        "seconds": 2.0,
        "source": "p99",
        "why": "twice p99",
        "since": 200.0,
        "p99_seconds": 1.0,
        "samples": 200,
        "timeout_rate": 0.005,
        "floor_seconds": 0.5,
        "ceiling_seconds": 60.0,
        "minimum_seconds": 0.0,
    }


def test_it_says_that_it_knows_nothing_yet() -> None:
    told = Adaptive(0.5, 60.0).explained()

    assert told["why"] == "the ceiling: fewer than 100 runs are known"
    assert told["p99_seconds"] is None


def test_threads_may_tell_it_at_the_same_time() -> None:
    timeout = Adaptive(0.5, 60.0)

    def tell() -> None:
        for number in range(2000):
            timeout.observe(number % 7 / 7, timed_out=False)

    threads = [Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert timeout.explained()["samples"] == 1000
    assert timeout.seconds() == 2 * 6 / 7


@pytest.mark.parametrize("duration", [-0.1, math.nan, math.inf, -math.inf])
def test_what_is_no_duration_is_refused(duration: float) -> None:
    timeout = Adaptive(0.5, 60.0)

    with pytest.raises(InvalidTimeout, match="duration_seconds="):
        timeout.observe(duration, timed_out=False)

    assert timeout.explained()["samples"] == 0


@pytest.mark.parametrize(
    ("bounds", "named"),
    [
        ((0.0, 60.0), "floor_seconds"),
        ((math.nan, 60.0), "floor_seconds"),
        ((1.0, math.inf), "ceiling_seconds"),
        ((1.0, 60.0, -1.0), "minimum_seconds"),
        ((61.0, 60.0), "floor_seconds=61"),
        ((1.0, 60.0, 61.0), "minimum_seconds=61"),
    ],
)
def test_bounds_that_there_cannot_be_are_refused(bounds: tuple[float, ...], named: str) -> None:
    with pytest.raises(InvalidTimeout, match=named):
        Adaptive(*bounds)


def _after(durations: list[float]) -> Adaptive:
    timeout = Adaptive(0.5, 60.0)
    for duration in durations:
        timeout.observe(duration, timed_out=False)
    return timeout
