import pytest

from orchestrator.breaker import machine
from orchestrator.breaker.machine import Record
from orchestrator.breaker.state import Action
from orchestrator.policy import Policy
from tests.unit.breaker.driven import Driven, probing, tripped

POLICY = Policy(failure_threshold=2, failure_rate=None)


def test_opening_by_hand_is_a_trip() -> None:
    driven = Driven(POLICY)
    state = driven.control(0, "open", why="maintenance")
    assert (state.circuit, state.epoch, state.version, state.left_seconds) == ("open", 1, 1, 30.0)
    assert driven.record.why == "by hand: maintenance"
    assert driven.record.trips == 1
    assert not driven.admit(29, "a")


def test_opening_by_hand_for_some_time() -> None:
    driven = Driven(POLICY)
    assert driven.control(0, "open", seconds=5).left_seconds == 5.0
    assert driven.admit(5, "a")


def test_opening_again_by_hand_begins_the_same_time_anew() -> None:
    driven = tripped(POLICY)
    state = driven.control(20, "open")
    assert (state.left_seconds, driven.record.trips, state.epoch) == (30.0, 1, 2)


def test_opening_by_hand_lasts_no_longer_for_the_trips_before_it() -> None:
    driven = probing(POLICY)
    assert driven.call(31, failed=1, probe="a").left_seconds == 60.0
    assert driven.control(32, "open").left_seconds == 30.0
    assert driven.record.trips == 2


def test_opening_by_hand_while_it_is_half_open_ends_the_probes() -> None:
    driven = probing(POLICY)
    assert driven.control(31, "open").left_seconds == 30.0
    before = driven.record
    driven.call(32, ok=1, probe="a", epoch=2)
    assert driven.record == before


def test_closing_by_hand_lets_everything_in_at_once() -> None:
    driven = Driven(POLICY)
    driven.call(0, failed=2)
    state = driven.control(1, "close", why="it is back")
    assert state.is_clean
    assert (state.epoch, state.version) == (2, 2)
    assert driven.record.why == "by hand: it is back"
    assert driven.record.failures == 0
    assert driven.record.trips == 1


def test_without_a_reason_it_is_said_that_it_was_by_hand() -> None:
    driven = Driven(POLICY)
    driven.control(0, "close")
    assert driven.record.why == "by hand"


def test_an_isolated_breaker_lets_nothing_through() -> None:
    driven = Driven(POLICY)
    state = driven.control(0, "isolate", why="attack")
    assert (state.mode, state.mode_left_seconds, state.circuit, state.epoch) == (
        "isolated",
        None,
        "closed",
        0,
    )
    assert driven.record.why == "by hand: attack"
    assert state.version == 1
    assert not driven.admit(10**6, "a")


def test_an_isolated_breaker_does_not_probe() -> None:
    driven = tripped(POLICY)
    driven.control(1, "isolate")
    before = driven.record
    assert not driven.admit(31, "a")
    assert driven.record == before


def test_calls_that_were_under_way_count_in_an_isolated_breaker() -> None:
    driven = Driven(POLICY)
    driven.control(0, "isolate")
    assert driven.call(1, failed=2).circuit == "open"


def test_a_disabled_breaker_lets_everything_through_and_counts_nothing() -> None:
    driven = tripped(POLICY)
    state = driven.control(1, "disable")
    assert (state.mode, state.circuit) == ("disabled", "open")
    before = driven.record
    assert driven.admit(2)
    assert driven.admit(31, "a")
    driven.call(31, failed=9)
    assert driven.record == before


def test_a_disabled_closed_breaker_does_not_trip() -> None:
    driven = Driven(POLICY)
    driven.control(0, "disable")
    state = driven.call(1, failed=9)
    assert (state.circuit, state.has_failures, state.version) == ("closed", False, 1)


def test_a_shadow_lets_everything_through_and_goes_on_counting() -> None:
    driven = Driven(POLICY)
    assert driven.control(0, "shadow").mode == "shadow"
    assert driven.call(1, failed=2).circuit == "open"
    assert driven.admit(2)
    assert driven.admit(31, "a")
    assert driven.state(31).circuit == "half_open"
    assert driven.admit(31, "b")
    assert list(driven.record.leases) == ["a"]
    assert driven.call(32, ok=1, probe="a").circuit == "closed"
    assert driven.state(32).mode == "shadow"


@pytest.mark.parametrize("action", ["isolate", "disable", "shadow"])
def test_a_mode_ends_when_its_time_is_over(action: Action) -> None:
    driven = tripped(POLICY)
    driven.control(0, action, seconds=10)
    assert driven.state(9).mode_left_seconds == 1.0
    assert driven.state(9.999).mode != "auto"
    over = driven.state(10)
    assert (over.mode, over.mode_left_seconds) == ("auto", None)
    assert not driven.admit(10, "a")
    assert driven.record.mode == "auto"
    assert driven.record.version == 3
    assert driven.admit(30, "a")


def test_a_mode_and_a_lease_end_in_the_same_moment() -> None:
    driven = probing(POLICY)
    driven.control(30, "shadow", seconds=30)
    assert driven.admit(60, "b")
    assert list(driven.record.leases) == ["b"]


def test_a_shadow_with_a_limit_lasts_longer_than_a_transition() -> None:
    driven = probing(POLICY)
    driven.control(30, "shadow", seconds=30)
    state = driven.call(40, ok=1, probe="a")
    assert (state.circuit, state.mode, state.mode_left_seconds) == ("closed", "shadow", 20.0)


@pytest.mark.parametrize("action", ["isolate", "disable", "close", "reset"])
def test_what_is_done_by_hand_while_a_probe_is_under_way(action: Action) -> None:
    driven = probing(POLICY)
    assert driven.control(31, action).version == 3
    assert driven.admit(31, "b") == (action != "isolate")
    assert driven.release(31, ["b"]) == (["b"] if action in {"disable", "reset"} else [])
    assert driven.state(31).version == 3


def test_opening_by_hand_asks_for_no_more_than_the_policy() -> None:
    driven = Driven(Policy(open_seconds=0.001))
    assert driven.control(0, "open").left_seconds == pytest.approx(0.001)


def test_no_reason_has_to_be_given() -> None:
    assert machine.control(Record(), POLICY, "close", 1.0, 0.0).why == "by hand"


def test_a_mode_without_a_limit_replaces_one_that_has_one() -> None:
    driven = Driven(POLICY)
    driven.control(0, "isolate", seconds=10)
    driven.control(1, "isolate")
    assert driven.state(100).mode == "isolated"


@pytest.mark.parametrize("action", ["open", "close", "reset"])
@pytest.mark.parametrize("mode", ["isolate", "disable", "shadow"])
def test_what_was_said_last_holds(mode: Action, action: Action) -> None:
    driven = Driven(POLICY)
    driven.control(0, mode, seconds=100)
    state = driven.control(1, action)
    assert (state.mode, state.mode_left_seconds) == ("auto", None)
    assert state.circuit == ("open" if action == "open" else "closed")


def test_a_reset_forgets_everything_but_which_breaker_it_is() -> None:
    driven = Driven(POLICY)
    driven.call(0, failed=2)
    driven.control(1, "isolate")
    state = driven.control(2, "reset", why="all is new")
    assert state.is_clean
    assert (state.name, state.born, state.epoch, state.version) == ("api", 7, 2, 3)
    assert driven.record.why == "by hand: all is new"
    assert driven.record.trips == 0
    assert driven.call(3, failed=2).left_seconds == 30.0
