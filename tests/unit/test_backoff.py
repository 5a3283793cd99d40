from random import Random

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.retry.backoff import ceiling_seconds, delay_seconds


def test_the_ceiling_doubles_from_one_second_and_stops_at_thirty() -> None:
    ceilings = [ceiling_seconds(retries, 1.0, 30.0) for retries in range(7)]

    assert ceilings == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


@given(
    retries=st.integers(0, 100_000),
    base=st.floats(0.001, 100),
    cap=st.floats(0.001, 10_000),
    seed=st.integers(0, 2**32),
)
def test_a_delay_lies_between_nothing_and_the_ceiling(
    retries: int, base: float, cap: float, seed: int
) -> None:
    delay = delay_seconds(retries, base, cap, Random(seed))

    assert 0.0 <= delay <= min(cap, ceiling_seconds(retries, base, cap))


def test_full_jitter_spreads_over_the_whole_window() -> None:
    random = Random(7)
    delays = [delay_seconds(3, 1.0, 30.0, random) for _ in range(4000)]

    counts = [sum(1 for delay in delays if low <= delay < low + 2) for low in (0, 2, 4, 6)]

    assert all(900 < count < 1100 for count in counts), counts
