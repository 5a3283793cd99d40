import pytest

from orchestrator.breaker.report import Report
from orchestrator.policy import Policy
from tests.unit.breaker.driven import Driven, probing, tripped

ONE = Policy()
TWO = Policy(probes=2)


def test_while_it_is_closed_every_call_may_be_made() -> None:
    driven = Driven(ONE)
    assert driven.admit(0)
    assert driven.admit(0, "a")
    assert driven.record == Driven(ONE).record


def test_while_it_is_open_no_call_may_be_made() -> None:
    driven = tripped(ONE)
    before = driven.record
    assert not driven.admit(29.999, "a")
    assert driven.record == before
    assert driven.state(29.5).left_seconds == 0.5


def test_once_its_time_is_over_the_next_call_probes() -> None:
    driven = tripped(ONE)
    assert driven.state(31).left_seconds == 0.0
    assert driven.admit(30, "a")
    state = driven.state(30)
    assert (state.circuit, state.epoch, state.version, state.left_seconds) == ("half_open", 2, 2, 30.0)
    assert driven.record.why == "open time is over"


def test_a_call_without_a_token_does_not_probe() -> None:
    driven = tripped(ONE)
    before = driven.record
    assert not driven.admit(30)
    assert driven.record == before
    assert driven.admit(30, "a")
    assert not driven.admit(30)


def test_no_more_probes_are_under_way_than_permitted() -> None:
    driven = probing(TWO)
    assert driven.state(30).left_seconds == 0.0
    assert driven.admit(31, "b")
    assert not driven.admit(31, "c")
    assert driven.state(31).left_seconds == 29.0


def test_probes_that_succeeded_are_not_given_to_others() -> None:
    driven = probing(TWO)
    driven.admit(30, "b")
    assert driven.call(31, ok=1, probe="a").circuit == "half_open"
    assert not driven.admit(31, "c")
    assert driven.record.succeeded == 1


def test_a_token_with_a_lease_is_let_in_again_and_renewed() -> None:
    driven = probing(ONE)
    assert driven.admit(40, "a")
    assert driven.state(40).left_seconds == 30.0
    assert driven.state(40).version == 3
    assert not driven.admit(65, "b")


def test_a_lease_that_has_ended_is_given_to_another() -> None:
    driven = probing(ONE)
    assert not driven.admit(59.999, "b")
    assert driven.state(59.999).left_seconds == pytest.approx(0.001)
    assert driven.state(60).left_seconds == 0.0
    assert driven.admit(60, "b")
    assert driven.record.leases == {"b": (driven.BEGINS + 90) * 1000}


def test_a_late_probe_counts_for_nothing() -> None:
    driven = probing(ONE)
    driven.admit(60, "b")
    before = driven.record
    driven.call(61, failed=1, probe="a")
    driven.call(61, ok=1, probe="a")
    assert driven.record == before


def test_a_lease_that_has_ended_is_late_even_where_nobody_took_its_place() -> None:
    driven = probing(ONE)
    before = driven.record
    driven.call(60, ok=1, probe="a")
    assert driven.record.version == before.version
    assert driven.state(60).circuit == "half_open"


def test_what_is_no_probe_counts_for_nothing_while_it_is_half_open() -> None:
    driven = probing(ONE)
    before = driven.record
    driven.call(31, failed=9)
    driven.call(31, ok=9)
    assert driven.record == before


def test_a_probe_of_an_earlier_epoch_counts_for_nothing() -> None:
    driven = probing(ONE)
    before = driven.record
    driven.call(31, ok=1, probe="a", epoch=1)
    assert driven.record == before


def test_a_probe_that_fails_opens_it_for_twice_as_long() -> None:
    driven = probing(TWO)
    driven.admit(30, "b")
    state = driven.call(31, failed=1, probe="a")
    assert (state.circuit, state.epoch, state.left_seconds) == ("open", 3, 60.0)
    assert driven.record.why == "probe failed"
    assert driven.record.trips == 2
    assert driven.record.leases == {}


def test_a_probe_that_fails_late_doubles_too() -> None:
    driven = tripped(ONE)
    driven.admit(10_000, "a")
    assert driven.call(10_001, failed=1, probe="a").left_seconds == 60.0


def test_successes_of_one_half_open_time_do_not_count_in_the_next() -> None:
    driven = probing(TWO)
    driven.admit(30, "b")
    driven.call(31, ok=1, probe="a")
    driven.call(31, failed=1, probe="b")
    assert driven.record.succeeded == 0
    assert driven.admit(91, "c")
    assert driven.call(92, ok=1, probe="c").circuit == "half_open"


def test_a_dependency_that_asks_a_probe_for_time_gets_it() -> None:
    driven = probing(ONE)
    report = Report(2, "a", failed=1, retry_after_seconds=100)
    assert driven.told(31, report).left_seconds == 100.0


def test_a_slow_probe_that_asks_for_time_gets_it() -> None:
    driven = probing(Policy(slow_rate=0.5))
    report = Report(2, "a", ok=1, slow=1, retry_after_seconds=100)
    assert driven.told(31, report).left_seconds == 100.0


def test_chance_prolongs_the_open_time_after_a_probe() -> None:
    assert probing(ONE).told(31, Report(2, "a", failed=1), chance=0.5).left_seconds == 63.0
    slow = probing(Policy(slow_rate=0.5))
    assert slow.told(31, Report(2, "a", ok=1, slow=1), chance=0.5).left_seconds == 63.0


def test_a_slow_probe_fails_where_slow_calls_matter() -> None:
    driven = probing(Policy(slow_rate=0.5))
    assert driven.call(31, ok=1, slow=1, probe="a").circuit == "open"
    assert driven.record.why == "probe was slow"


def test_a_slow_probe_succeeds_where_slow_calls_do_not_matter() -> None:
    assert probing(ONE).call(31, ok=1, slow=1, probe="a").circuit == "closed"


def test_a_neutral_end_of_a_probe_gives_its_place_to_another() -> None:
    driven = probing(ONE)
    state = driven.call(31, probe="a")
    assert (state.circuit, state.epoch, state.version) == ("half_open", 2, 3)
    assert driven.record.succeeded == 0
    assert driven.admit(31, "b")


def test_as_many_successes_as_probes_close_it() -> None:
    driven = probing(TWO)
    driven.admit(30, "b")
    driven.call(31, ok=1, probe="a")
    state = driven.call(32, ok=1, probe="b")
    assert (state.circuit, state.epoch, state.ramp_left_seconds) == ("closed", 3, 10.0)
    assert driven.record.why == "2 of 2 probes succeeded"
    assert driven.record.leases == {}
    assert driven.record.succeeded == 0
    assert driven.record.born == 7
    assert driven.record.name == "api"


def test_closing_clears_what_was_counted() -> None:
    driven = Driven(Policy(failure_threshold=3, minimum_calls=5))
    driven.call(0, ok=1, failed=3)
    driven.admit(30, "a")
    state = driven.call(31, ok=1, probe="a")
    assert not state.has_failures
    assert (driven.record.failures, driven.record.window) == (0, ())
    assert driven.call(31, failed=2).circuit == "closed"


def test_how_often_it_tripped_is_remembered_when_it_closes() -> None:
    driven = probing(Policy(failure_threshold=1))
    driven.call(31, ok=1, probe="a")
    assert driven.call(32, failed=1).left_seconds == 60.0


def test_a_circuit_that_closed_long_ago_begins_anew() -> None:
    driven = probing(Policy(failure_threshold=1))
    driven.call(31, ok=1, probe="a")
    assert driven.call(331, failed=1).left_seconds == 30.0


def test_the_ramp_ends_by_itself() -> None:
    driven = probing(ONE)
    driven.call(31, ok=1, probe="a")
    assert driven.state(40.5).ramp_left_seconds == 0.5
    assert driven.state(41).is_clean
    assert driven.state(99).ramp_left_seconds == 0.0


def test_failures_during_the_ramp_count() -> None:
    driven = probing(Policy(failure_threshold=2))
    driven.call(31, ok=1, probe="a")
    state = driven.call(32, failed=2)
    assert (state.circuit, state.left_seconds, state.ramp_left_seconds) == ("open", 60.0, 0.0)
    assert driven.record.ramp_until == 0


def test_without_a_ramp_everything_is_let_in_at_once() -> None:
    assert probing(Policy(ramp_seconds=0)).call(31, ok=1, probe="a").is_clean


def test_fewer_probes_by_a_new_policy_do_not_leave_it_half_open_for_ever() -> None:
    driven = probing(Policy(probes=3))
    driven.call(31, ok=1, probe="a")
    driven.admit(31, "b")
    driven.call(31, ok=1, probe="b")
    driven.policy = ONE
    assert driven.state(32).left_seconds == 0.0
    assert driven.admit(32, "c")
    assert not driven.admit(32, "d")
    assert driven.call(33, ok=1, probe="c").circuit == "closed"


def test_an_open_circuit_waits_for_no_success() -> None:
    driven = Driven(Policy(failure_threshold=1))
    assert not driven.call(0, failed=1).has_failures
