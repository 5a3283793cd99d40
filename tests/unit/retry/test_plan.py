from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.retry.plan import LONGEST_SECONDS, Fleet, Kind, Place, Plan, Terms

_TERMS = Terms(0.2, 10)


def _plan(first_attempts: int = 0, at: float = 1000.0, terms: Terms = _TERMS) -> Plan:
    plan = Plan(terms)
    for _ in range(first_attempts):
        plan.note_first(at)
    return plan


def test_within_the_budget_a_retry_is_made_when_it_asks_to_be() -> None:
    assert _plan().place(1000.0, 1000.7, Random(1)) == Place(1000.7)


def test_without_first_attempts_the_floor_is_what_there_is() -> None:
    plan = _plan()
    places = [plan.place(1000.0, 1000.0, Random(1)) for _ in range(12)]

    assert [place.is_delayed for place in places] == [False] * 10 + [True] * 2


def test_a_fifth_of_the_first_attempts_of_the_last_minute_comes_on_top() -> None:
    plan = _plan(200)
    places = [plan.place(1000.0, 1000.0, Random(1)) for _ in range(60)]

    assert sum(not place.is_delayed for place in places) == 50


def test_first_attempts_of_an_earlier_minute_allow_nothing() -> None:
    plan = _plan(200, at=930.0)
    places = [plan.place(1000.0, 1000.0, Random(1)) for _ in range(60)]

    assert sum(not place.is_delayed for place in places) == 10


def test_what_is_over_the_budget_comes_evenly_once_the_minute_is_over() -> None:
    plan = _plan(200)
    places = [plan.place(1000.0, 1000.0, Random(1)) for _ in range(200)]
    slots = [int(place.at // 10) for place in places]

    # 50 at once, and then a seventh of 50 in each ten seconds, of which any minute touches seven.
    assert [slots.count(slot) for slot in range(100, 110)] == [50, 0, 0, 0, 0, 0, 0, 8, 8, 8]
    assert max(slots) < 133


def test_nothing_is_put_off_for_more_than_ten_minutes_and_nothing_is_dropped() -> None:
    plan = _plan()
    places = [plan.place(1000.0, 1000.0, Random(1)) for _ in range(2000)]

    assert len(places) == 2000
    assert max(place.at for place in places) <= 1000.0 + LONGEST_SECONDS
    assert sum(place.at < 1060 for place in places) == 10


def test_a_retry_never_comes_earlier_than_it_asks_to() -> None:
    plan = _plan()
    places = [plan.place(1000.0, 1205.0, Random(seed)) for seed in range(40)]

    assert min(place.at for place in places) >= 1205.0


def test_one_that_asks_for_more_than_ten_minutes_is_left_alone() -> None:
    plan = _plan(terms=Terms(0.0, 1))

    assert [plan.place(1000.0, 1601.0, Random(1)) for _ in range(3)] == [Place(1601.0)] * 3


def test_what_others_have_used_is_not_free_here() -> None:
    plan = _plan()
    plan.learn(Fleet({("retry", 100): 9}), 1000.0)
    places = [plan.place(1000.0, 1000.0, Random(1)) for _ in range(3)]

    assert [place.is_delayed for place in places] == [False, True, True]


def test_the_processes_share_the_floor_and_each_has_its_own_first_attempts() -> None:
    plans = [_plan(first_attempts, at=1060.0) for first_attempts in (0, 0, 5, 50)]
    for rank, plan in enumerate(plans):
        plan.learn(Fleet({("first", 106): 55}, processes=4, rank=rank), 1060.0)
    made = [sum(not plan.place(1060.0, 1060.0, Random(1)).is_delayed for _ in range(20)) for plan in plans]

    # The floor of 10 is 2, 3, 3 and 2 of them.
    assert made == [2, 3, 4, 12]


@given(counts=st.lists(st.integers(0, 60), min_size=1, max_size=9), floor=st.integers(1, 30))
def test_processes_that_know_nothing_of_each_other_s_retries_keep_to_one_budget(
    counts: list[int], floor: int
) -> None:
    made = 0
    for rank, first_attempts in enumerate(counts):
        plan = _plan(first_attempts, terms=Terms(0.2, floor))
        plan.learn(Fleet({("first", 100): sum(counts)}, len(counts), rank), 1000.0)
        made += sum(plan.place(1000.0, 1000.0, Random(rank)).at < 1060 for _ in range(30))

    assert made <= floor + 0.2 * sum(counts) + 1e-6


def test_what_could_not_be_told_still_counts_and_is_told_next_time() -> None:
    plan = _plan(3)
    plan.place(1000.0, 1000.0, Random(1))
    plan.take()
    plan.note_first(1000.0)
    plan.keep(1001.0)

    assert plan.take() == {("first", 100): 4, ("retry", 100): 1}


def test_what_is_over_for_minutes_is_not_told_any_more() -> None:
    plan = _plan(3)
    plan.take()
    plan.keep(1500.0)

    assert plan.take() == {}


def test_what_was_told_counts_once() -> None:
    plan = _plan()
    for _ in range(10):
        plan.place(1000.0, 1000.0, Random(1))
    plan.learn(Fleet(plan.take()), 1000.0)

    assert plan.place(1000.0, 1000.0, Random(1)).is_delayed
    assert not plan.place(1000.0, 1070.0, Random(1)).is_delayed


def test_a_clock_that_was_wrong_by_an_hour_shifts_what_was_counted() -> None:
    plan = _plan(2)
    plan.shift(360)

    assert plan.take() == {("first", 460): 2}


_STREAM = st.lists(
    st.tuples(st.floats(0, 20), st.integers(0, 40), st.lists(st.floats(0, 45), max_size=12)), max_size=40
)


@given(stream=_STREAM, share=st.sampled_from([0.0, 0.2, 1.5]), floor=st.integers(1, 20), seed=st.integers())
def test_no_sixty_seconds_hold_more_retries_than_the_budget_and_the_floor(
    stream: list[tuple[float, int, list[float]]], share: float, floor: int, seed: int
) -> None:
    plan, random, now = Plan(Terms(share, floor)), Random(seed), 1000.0
    firsts: list[float] = []
    made: list[float] = []
    most = 0.0
    told: Counter[tuple[Kind, int]] = Counter()
    for passes, attempts, delays in stream:
        now += passes
        for _ in range(attempts):
            plan.note_first(now)
            firsts.append(now)
        most = max(most, floor + share * sum(first > now - 60 for first in firsts))
        for delay in delays:
            place = plan.place(now, now + delay, random)
            assert now + delay <= place.at <= now + LONGEST_SECONDS
            made.append(place.at)
        told.update(plan.take())
        plan.learn(Fleet(dict(told)), now)

    # More than the floor makes of ten minutes is spread over them.
    if len(made) <= floor * 7:
        for begin in made:
            assert sum(begin <= at < begin + 60 for at in made) <= most + 1e-6
