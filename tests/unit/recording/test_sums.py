"""Sums merge by addition, and percentiles of them are near the exact ones."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.performance import PerformanceMonitor
from monitoring.recording.buckets import FIRST, LAST, bucket, quantile_seconds
from monitoring.recording.recorder import Recorder
from monitoring.recording.sums import Snapshot
from tests.unit.performance.driven import Clock

NAMES = st.sampled_from(["a", "b", "c"])
CALLS = st.tuples(NAMES, NAMES, st.floats(0, 1e7), st.booleans())
EVENTS = st.tuples(st.sampled_from(["timeout", "retry"]), NAMES)
# What is recorded, and after how many seconds the next one is.
SCRIPTS = st.lists(st.tuples(st.one_of(CALLS, EVENTS), st.integers(0, 100)), max_size=12)
Script = list[tuple[tuple[str, ...], int]]


def _played(scripts: list[Script]) -> list[Snapshot]:
    """What a recorder of each script knows, and at last what one of all of them knows, at the same moment."""
    clock = Clock()
    recorders = [Recorder(lambda: 24, clock.seconds, clock.unix) for _ in range(len(scripts) + 1)]
    for number, script in enumerate(scripts):
        for what, pause in script:
            for recorder in (recorders[number], recorders[-1]):
                if len(what) == 2:
                    recorder.record_event(*what)
                else:
                    recorder.record(*what)  # type: ignore[arg-type]
            clock.now += pause
    return [recorder.snapshot() for recorder in recorders]


@given(st.lists(SCRIPTS, min_size=3, max_size=3))
def test_snapshots_that_are_added_in_any_order_are_what_one_recorder_of_all_knows(
    scripts: list[Script],
) -> None:
    one, two, three, together = _played(scripts)

    assert (one + two) + three == one + (two + three) == (three + one) + two == together


@given(st.lists(st.floats(0.00001, 100_000), min_size=1), st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_a_bucket_of_the_exact_one(seconds: list[float], share: float) -> None:
    counts: dict[int, int] = {}
    for each in seconds:
        counts[bucket(each)] = counts.get(bucket(each), 0) + 1

    found = quantile_seconds(counts, share)

    exact = sorted(seconds)[max(0, -int(-share * len(seconds) // 1) - 1)]
    assert found is not None
    assert exact / 1.0906 <= found <= exact * 1.0906


@pytest.mark.parametrize("ms", [1.0, 150.0, 0.0, 0.0002, 1e12])
def test_percentiles_of_equal_calls_are_what_each_took(ms: float) -> None:
    monitor = PerformanceMonitor(metrics_retention_hours=24, listens=False, shared=False)
    for _ in range(200):
        monitor.record("shop", "order", ms, True)

    shown = monitor.dashboard()["component_performance"]["shop"]

    percentiles = {shown[f"p{percent}_duration_ms"] for percent in (50, 95, 99)}
    assert percentiles == {shown["average_duration_ms"]}


@given(st.lists(st.floats(0, 1e7), min_size=1), st.floats(0, 1))
def test_no_percentile_is_beyond_the_least_or_the_longest(durations_ms: list[float], share: float) -> None:
    clock = Clock()
    recorder = Recorder(lambda: 24, clock.seconds, clock.unix)
    for number, each in enumerate(durations_ms):
        recorder.record("shop", f"order {number % 3}", each, True)
        clock.now += 30

    found = recorder.snapshot().total.of("shop").quantile_ms(share)

    micros = [round(each * 1000) for each in durations_ms]
    assert found is not None
    assert min(micros) - 1 <= found * 1000 <= max(micros) + 1


def test_a_bucket_holds_its_upper_bound_and_not_its_lower_one() -> None:
    assert [bucket(seconds) for seconds in (0.25, 0.2500001, 0.5, 1.0, 1.0000001)] == [-16, -15, -8, 0, 1]


def test_what_is_too_short_or_too_long_for_the_grid_goes_to_its_ends() -> None:
    assert [bucket(seconds) for seconds in (0.0, 5e-324, 1e300, inf)] == [FIRST, FIRST, LAST, LAST]


def test_there_is_no_quantile_of_nothing() -> None:
    assert quantile_seconds({}, 0.95) is None
