from random import Random

from orchestrator.breaker.local import Local
from orchestrator.breaker.report import Report
from orchestrator.breaker.state import State
from orchestrator.policy import Policy

POLICY = Policy(failure_threshold=2, open_jitter=0)


def test_it_trips_and_recovers_by_itself() -> None:
    local = Local(POLICY, Random(1))
    assert local.admit("", 0.0) == (True, local.state(0.0))
    assert local.report(Report(0, failed=2), 1.0).left_seconds == 30.0
    assert not local.admit("a", 2.0)[0]
    permitted, state = local.admit("a", 31.0)
    assert (permitted, state.circuit, state.epoch) == (True, "half_open", 2)
    state = local.report(Report(2, "a", ok=1), 32.0)
    assert (state.circuit, state.ramp_left_seconds) == ("closed", 10.0)


def test_its_open_times_are_prolonged_by_chance() -> None:
    local = Local(Policy(failure_threshold=1, open_jitter=1), Random(1))
    assert local.report(Report(0, failed=1), 0.0).left_seconds == 34.030


def test_a_circuit_that_was_open_for_the_fleet_stays_open() -> None:
    heard = State("api", "open", born=5, version=9, epoch=3, left_seconds=12.5)
    local = Local(POLICY, Random(1), heard, 100.0)
    state = local.state(100.0)
    assert (state.name, state.circuit, state.left_seconds) == ("api", "open", 12.5)
    assert (state.born, state.version, state.epoch) == (5, 9, 3)
    assert not local.admit("a", 112.499)[0]
    assert local.admit("a", 112.5)[0]
    assert local.report(Report(4, "a", failed=1), 113.0).left_seconds == 60.0


def test_a_process_clock_begins_at_nothing() -> None:
    assert Local(POLICY, Random(1), State("api", "open", left_seconds=1.0)).state(0.0).left_seconds == 1.0


def test_a_circuit_that_was_closed_for_the_fleet_has_not_tripped() -> None:
    local = Local(POLICY, Random(1), State("api", epoch=3), 10.0)
    assert local.report(Report(3, failed=2), 11.0).left_seconds == 30.0


def test_what_the_fleet_was_probing_is_probed_here() -> None:
    local = Local(POLICY, Random(1), State("api", "half_open", epoch=3, left_seconds=12.0), 100.0)
    assert local.state(100.0).left_seconds == 0.0
    assert local.admit("a", 100.0)[0]
    assert local.report(Report(3, "a", ok=1), 101.0).circuit == "closed"


def test_a_ramp_that_had_begun_goes_on() -> None:
    local = Local(POLICY, Random(1), State("api", epoch=3, ramp_left_seconds=4.0), 100.0)
    assert local.state(101.0).ramp_left_seconds == 3.0
    assert local.state(104.0).is_clean


def test_a_clean_state_is_clean_here() -> None:
    local = Local(POLICY, Random(1), State("api", epoch=3), 1000.0)
    assert local.state(1000.0).is_clean
    assert local.report(Report(3, failed=2), 1001.0).left_seconds == 30.0
    assert local.report(Report(3, failed=2), 1001.0).epoch == 4


def test_a_mode_that_was_set_by_hand_holds_here() -> None:
    local = Local(POLICY, Random(1), State("api", mode="isolated", mode_left_seconds=5.0), 100.0)
    assert local.state(101.0).mode_left_seconds == 4.0
    assert not local.admit("a", 104.0)[0]
    assert local.admit("a", 105.0)[0]
    assert not Local(POLICY, Random(1), State("api", mode="isolated"), 100.0).admit("a", 1e6)[0]
