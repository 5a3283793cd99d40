"""What is set by hand holds for the whole fleet, for as long as it was said, and is kept in the history."""

import pytest
from redis import Redis

from orchestrator.breaker.report import Report
from orchestrator.breaker.state import Action
from orchestrator.breaker.store import Store
from orchestrator.policy import Policy
from tests.integration.breaker.store.clocked import Clocked

_POLICY = Policy(failure_threshold=2, failure_rate=None)


def _control(store: Store, action: Action, seconds: float | None = None) -> str:
    state = store.control("api", action, who="ann", why="a trial", seconds=seconds)
    return f"{state.mode} {state.circuit}"


def test_a_mode_ends_when_its_time_is_over(clocked: Clocked) -> None:
    assert _control(clocked, "isolate", 60) == "isolated closed"
    clocked.pass_ms(59_999)
    assert clocked.admit("api", _POLICY, "a")[0] is False
    assert clocked.read(["api"])[0].mode_left_seconds == 0.001
    clocked.pass_ms(1)
    assert clocked.read(["api"])[0].mode == "auto"
    assert clocked.admit("api", _POLICY, "a")[0] is True
    told = [(each.before, each.after, each.why, each.who) for each in clocked.history("api", 9)]
    assert told == [
        ("isolated", "auto", "its time is over", ""),
        ("auto", "isolated", "by hand: a trial", "ann"),
    ]


def test_nothing_is_counted_of_one_that_is_disabled(store: Store) -> None:
    _control(store, "disable")
    assert store.report("api", _POLICY, Report(0, failed=9)).circuit == "closed"
    assert store.admit("api", _POLICY, "")[0] is True


def test_a_shadow_trips_and_lets_every_call_through(store: Store) -> None:
    _control(store, "shadow")
    state = store.report("api", _POLICY, Report(0, failed=2))
    assert (state.circuit, state.mode) == ("open", "shadow")
    assert store.admit("api", _POLICY, "a")[0] is True


def test_an_opening_by_hand_lasts_as_long_as_it_was_said(clocked: Clocked) -> None:
    assert _control(clocked, "open", 7) == "auto open"
    assert clocked.read(["api"])[0].left_seconds == 7.0


def test_an_opening_by_hand_lasts_no_longer_for_the_trips_before_it(clocked: Clocked) -> None:
    assert clocked.report("api", _POLICY, Report(0, failed=2)).left_seconds == 30.0
    clocked.pass_ms(30_000)
    assert clocked.admit("api", _POLICY, "a")[0] is True
    assert clocked.report("api", _POLICY, Report(2, "a", failed=1)).left_seconds == 60.0
    assert _control(clocked, "open") == "auto open"
    assert clocked.read(["api"])[0].left_seconds == 30.0


@pytest.mark.parametrize("action", ["close", "reset"])
def test_what_was_said_last_holds(store: Store, action: Action) -> None:
    _control(store, "open")
    _control(store, "isolate")
    assert _control(store, action) == "auto closed"
    assert store.read(["api"])[0].is_clean


def test_a_breaker_can_be_set_before_its_first_use_and_then_gets_its_policy(store: Store) -> None:
    _control(store, "isolate")
    assert store.names() == ["api"]
    state, policy = store.register("api", _POLICY)
    assert (state.mode, policy) == ("isolated", _POLICY)


def test_the_history_has_a_most_and_begins_with_the_newest(store: Store, client: Redis) -> None:
    for name in ("api", "other", "api"):
        store.control(name, "close", who="ann", why=f"{name} again")
    assert [each.why for each in store.history(None, 2)] == ["by hand: api again", "by hand: other again"]
    assert [each.epoch for each in store.history("api", 9)] == [2, 1]
