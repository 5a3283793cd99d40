from dataclasses import replace

import pytest

from orchestrator.breaker.report import Report
from orchestrator.policy import Policy
from tests.unit.breaker.driven import Driven

IN_A_ROW = Policy(failure_threshold=3, failure_rate=None)
RATE = Policy(failure_threshold=None, failure_rate=0.5, minimum_calls=10, window_seconds=10)
SLOW = Policy(failure_threshold=None, failure_rate=None, slow_rate=0.5, minimum_calls=10, window_seconds=10)


def test_a_new_breaker_is_clean() -> None:
    state = Driven(IN_A_ROW).state(0)
    assert state.is_clean
    assert (state.name, state.born, state.version, state.epoch) == ("api", 7, 0, 0)
    assert state.policy == IN_A_ROW.fingerprint
    assert state.mode_left_seconds is None


def test_so_many_failures_in_a_row_trip_it() -> None:
    driven = Driven(IN_A_ROW)
    assert driven.call(0, failed=2).circuit == "closed"
    state = driven.call(1, failed=1)
    assert (state.circuit, state.epoch, state.left_seconds) == ("open", 1, 30.0)
    assert state.why == driven.record.why == "3 failures in a row"
    assert driven.record.trips == 1


def test_a_single_failure_that_trips_it_is_called_one() -> None:
    driven = Driven(Policy(failure_threshold=1, failure_rate=None))
    driven.call(0, failed=1)
    assert driven.record.why == "1 failure in a row"


def test_a_failure_is_pending_until_a_success_is_reported() -> None:
    driven = Driven(IN_A_ROW)
    assert driven.call(0, failed=1).has_failures
    assert not driven.call(1, ok=1).has_failures
    assert driven.call(2, failed=2).circuit == "closed"


def test_successes_of_a_report_came_before_its_failures() -> None:
    driven = Driven(IN_A_ROW)
    driven.call(0, failed=2)
    state = driven.call(1, ok=1, failed=2)
    assert (state.circuit, state.has_failures) == ("closed", True)
    assert driven.call(2, failed=1).circuit == "open"


def test_successes_that_are_told_of_late_end_no_row_and_count_in_the_window() -> None:
    driven = Driven(IN_A_ROW)
    driven.call(0, failed=2)
    assert driven.call(1, earlier=7).has_failures
    assert driven.call(1, earlier=7, failed=1).circuit == "open"
    rated = Driven(RATE)
    rated.call(0, earlier=6)
    (bucket,) = rated.record.window
    assert (bucket.ok, bucket.failed) == (6, 0)


def test_a_report_of_another_epoch_counts_for_nothing() -> None:
    driven = Driven(IN_A_ROW)
    driven.call(0, failed=3)
    driven.control(1, "close")
    before = driven.record
    driven.call(2, failed=3, epoch=0)
    driven.call(2, failed=3, epoch=3)
    assert driven.record == before


def test_what_ends_while_it_is_open_counts_for_nothing() -> None:
    driven = Driven(IN_A_ROW)
    driven.call(0, failed=3)
    before = driven.record
    driven.call(1, ok=1)
    driven.call(1, failed=1)
    assert driven.record == before


def test_a_neutral_end_counts_for_nothing() -> None:
    driven = Driven(IN_A_ROW)
    driven.call(0, failed=2)
    before = driven.record
    driven.call(1)
    assert driven.record == before


def test_a_neutral_end_does_not_trip_by_what_others_have_failed() -> None:
    driven = Driven(IN_A_ROW)
    driven.call(0, failed=2)
    driven.policy = Policy(failure_threshold=2, failure_rate=None)
    assert driven.call(1).circuit == "closed"


def test_without_a_threshold_failures_in_a_row_do_not_trip_it() -> None:
    assert Driven(RATE).call(0, failed=9).circuit == "closed"


def test_half_of_the_calls_of_the_window_trip_it() -> None:
    driven = Driven(RATE)
    assert driven.call(0, ok=5, failed=4).circuit == "closed"
    assert driven.call(1, failed=1).circuit == "open"
    assert driven.record.why == "5 of 10 calls failed"


def test_fewer_calls_than_the_minimum_say_nothing() -> None:
    driven = Driven(RATE)
    assert driven.call(0, failed=9).circuit == "closed"
    assert driven.call(1, ok=1).circuit == "open"
    assert driven.record.why == "9 of 10 calls failed"


def test_less_than_the_rate_does_not_trip_it() -> None:
    assert Driven(RATE).call(0, ok=6, failed=5).circuit == "closed"


def test_the_window_slides_by_a_tenth() -> None:
    driven = Driven(RATE)
    driven.call(0, failed=5)
    # Ten buckets of a second: that of the second 0 is the oldest until the second 10 begins.
    assert driven.call(9.999, ok=4).circuit == "closed"
    assert driven.call(10, ok=1).circuit == "closed"
    assert [(each.ok, each.failed) for each in driven.record.window] == [(4, 0), (1, 0)]
    again = Driven(RATE)
    again.call(0, failed=5)
    assert again.call(9.999, ok=5).circuit == "open"


def test_calls_of_one_bucket_are_added_up() -> None:
    driven = Driven(RATE)
    driven.call(0, ok=2, slow=1)
    driven.call(0.9, ok=1, failed=3, slow=2)
    (bucket,) = driven.record.window
    assert (bucket.ok, bucket.failed, bucket.slow) == (3, 3, 3)
    assert bucket.calls == 6


def test_buckets_after_now_are_left_out_where_the_clock_was_set_back() -> None:
    driven = Driven(RATE)
    driven.call(3600, ok=100)
    assert driven.call(0, failed=10).circuit == "open"
    assert driven.record.why == "10 of 10 calls failed"


def test_slow_calls_trip_it_whether_they_failed_or_not() -> None:
    driven = Driven(SLOW)
    assert driven.call(0, ok=6, failed=3, slow=4).circuit == "closed"
    assert driven.call(1, failed=1, slow=1).circuit == "open"
    assert driven.record.why == "5 of 10 calls were slow"


def test_fewer_slow_calls_than_the_rate_do_not_trip_it() -> None:
    assert Driven(SLOW).call(0, ok=11, slow=5).circuit == "closed"


def test_a_trip_clears_what_was_counted() -> None:
    driven = Driven(RATE)
    driven.call(0, ok=5, failed=5)
    assert (driven.record.window, driven.record.failures) == ((), 0)


def test_slow_calls_do_not_trip_what_has_no_rate_for_them() -> None:
    assert Driven(RATE).call(0, ok=20, slow=20).circuit == "closed"


def test_failures_do_not_trip_what_looks_at_slow_calls_alone() -> None:
    assert Driven(SLOW).call(0, failed=20).circuit == "closed"


def test_whichever_condition_comes_true_first_trips_it() -> None:
    driven = Driven(Policy(failure_threshold=5, failure_rate=0.5, minimum_calls=10))
    assert driven.call(0, ok=6, failed=4).circuit == "closed"
    assert driven.call(1, failed=1).circuit == "open"
    assert driven.record.why == "5 failures in a row"


def test_a_breaker_without_a_rate_keeps_no_window() -> None:
    driven = Driven(IN_A_ROW)
    driven.call(0, ok=3, failed=1)
    assert driven.record.window == ()


@pytest.mark.parametrize(("trips", "seconds"), [(1, 30), (2, 60), (3, 120), (4, 240), (5, 300), (2000, 300)])
def test_each_trip_doubles_the_open_time_up_to_its_cap(trips: int, seconds: float) -> None:
    driven = Driven(IN_A_ROW)
    at = 0.0
    for _ in range(min(trips, 6) - 1):
        driven.call(at, failed=3)
        driven.control(at, "close")
        at += 1
    if trips > 6:
        driven.record = replace(driven.record, trips=trips - 1)
    assert driven.call(at, failed=3).left_seconds == seconds
    assert driven.record.trips == trips


def test_an_open_time_is_prolonged_by_chance() -> None:
    driven = Driven(IN_A_ROW)
    assert driven.told(0, Report(0, failed=3), chance=0.5).left_seconds == 31.5


def test_chance_prolongs_the_cap_too() -> None:
    driven = Driven(Policy(failure_threshold=1, open_seconds=300, open_jitter=0.2))
    assert driven.told(0, Report(0, failed=1), chance=0.5).left_seconds == 330.0


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(0.0, 30.0), (29.0, 30.0), (90.5, 90.5), (3600.0, 3600.0), (3601.0, 3600.0), (1e300, 3600.0)],
)
def test_it_stays_open_as_long_as_the_dependency_asks_for_up_to_an_hour(asked: float, seconds: float) -> None:
    state = Driven(IN_A_ROW).told(0, Report(0, failed=3, retry_after_seconds=asked))
    assert state.left_seconds == seconds


def test_trips_begin_anew_once_it_has_stayed_closed_for_the_cap() -> None:
    driven = Driven(IN_A_ROW)
    driven.call(0, failed=3)
    driven.control(10, "close")
    assert driven.call(310, failed=3).left_seconds == 30.0
    assert driven.record.trips == 1


def test_trips_go_on_where_it_has_not_stayed_closed_for_the_cap() -> None:
    driven = Driven(IN_A_ROW)
    driven.call(0, failed=3)
    driven.control(10, "close")
    assert driven.call(309.999, failed=3).left_seconds == 60.0
    assert driven.record.trips == 2


def test_every_change_has_a_version_of_its_own() -> None:
    driven = Driven(IN_A_ROW)
    assert driven.call(0, failed=1).version == 1
    assert driven.call(0, failed=1).version == 2
    assert driven.call(0, failed=1).version == 3
    assert driven.call(0, failed=1).version == 3
