"""A breaker in Redis trips, probes and closes for the whole fleet, by Redis's clock."""

import json
from typing import Any

import pytest
from redis import Redis

from orchestrator import keys
from orchestrator.breaker import wire
from orchestrator.breaker.report import Report
from orchestrator.breaker.state import State
from orchestrator.breaker.store import Store
from orchestrator.policy import Policy
from tests.integration.breaker.store.clocked import Clocked

_POLICY = Policy(failure_threshold=2, failure_rate=None, open_seconds=2.5, open_jitter=0, probes=1)


def _trip(store: Store, policy: Policy = _POLICY, name: str = "api") -> State:
    state = store.report(name, policy, Report(store.read([name])[0].epoch, failed=2, error="Down: no"))
    assert state.circuit == "open"
    return state


def _probing(clocked: Clocked, policy: Policy = _POLICY) -> State:
    clocked.pass_seconds(_trip(clocked, policy).left_seconds)
    permitted, state = clocked.admit("api", policy, "a")
    assert permitted
    return state


def test_nothing_is_stored_of_a_breaker_that_nobody_used(store: Store, client: Redis) -> None:
    assert store.read(["api"]) == [State("api")]
    assert store.details("api") is None
    assert client.keys("*") == []


def test_an_open_time_is_exact_to_the_millisecond(clocked: Clocked) -> None:
    assert _trip(clocked).left_seconds == 2.5
    clocked.pass_ms(2499)
    assert clocked.admit("api", _POLICY, "a")[0] is False
    clocked.pass_ms(1)
    assert clocked.admit("api", _POLICY, "a")[0] is True


def test_it_goes_by_the_clock_of_redis(store: Store, client: Redis) -> None:
    _trip(store)
    seconds, _ = client.time()
    until = float(client.hget(keys.breaker("api", "p:"), "until") or 0)
    assert seconds <= until / 1000 - 2.5 + 1
    client.hset(keys.breaker("api", "p:"), "until", int(until) - 2500)
    assert store.admit("api", _POLICY, "a")[0] is True


def test_who_looks_at_a_closed_breaker_forgets_no_failure(store: Store) -> None:
    store.report("api", _POLICY, Report(0, failed=1))
    store.register("api", _POLICY)
    store.admit("api", _POLICY, "other")
    store.read(["api"])
    assert store.report("api", _POLICY, Report(0, failed=1)).circuit == "open"


def test_a_success_that_began_before_the_trip_closes_nothing(store: Store) -> None:
    _trip(store)
    assert store.report("api", _POLICY, Report(0, ok=5)).circuit == "open"


def test_a_failure_that_began_before_the_trip_does_not_trip_again(clocked: Clocked) -> None:
    _probing(clocked)
    assert clocked.report("api", _POLICY, Report(0, failed=5)).circuit == "half_open"


def test_a_neutral_end_of_a_probe_frees_its_place_and_closes_nothing(clocked: Clocked) -> None:
    state = _probing(clocked)
    assert clocked.admit("api", _POLICY, "b")[0] is False
    after = clocked.report("api", _POLICY, Report(state.epoch, "a"))
    assert (after.circuit, after.left_seconds) == ("half_open", 0.0)
    assert after.version > state.version
    assert clocked.admit("api", _POLICY, "b")[0] is True


def test_asking_in_vain_does_not_prolong_the_lease_of_a_dead_prober(clocked: Clocked) -> None:
    _probing(clocked)
    for left in range(30, 0, -1):
        permitted, state = clocked.admit("api", _POLICY, "b")
        assert (permitted, state.left_seconds) == (False, left)
        clocked.pass_seconds(1)
    assert clocked.admit("api", _POLICY, "b")[0] is True


def test_a_probe_that_comes_back_after_its_lease_counts_for_nothing(clocked: Clocked) -> None:
    state = _probing(clocked)
    clocked.pass_seconds(30)
    for report in (Report(state.epoch, "a", ok=1), Report(state.epoch, "a", failed=1)):
        assert clocked.report("api", _POLICY, report).circuit == "half_open"


def test_a_slow_probe_opens_it_anew_where_slowness_counts(clocked: Clocked) -> None:
    policy = _POLICY.model_copy(update={"slow_rate": 0.5})
    state = _probing(clocked, policy)
    after = clocked.report("api", policy, Report(state.epoch, "a", ok=1, slow=1))
    assert (after.circuit, after.left_seconds) == ("open", 5.0)


def test_each_trip_doubles_the_open_time_until_it_has_been_closed_for_long(clocked: Clocked) -> None:
    policy = Policy(failure_threshold=2, open_seconds=2, open_cap_seconds=5, open_jitter=0, ramp_seconds=0)
    lengths = []
    for _ in range(3):
        lengths.append(_trip(clocked, policy).left_seconds)
        clocked.pass_seconds(lengths[-1])
        state = clocked.admit("api", policy, "a")[1]
        clocked.report("api", policy, Report(state.epoch, "a", ok=1))
    assert lengths == [2.0, 4.0, 5.0]
    clocked.pass_ms(5000)
    assert _trip(clocked, policy).left_seconds == 2.0


def test_a_call_leaves_the_window_when_it_is_as_old_as_the_window(clocked: Clocked) -> None:
    policy = Policy(failure_threshold=None, failure_rate=0.5, minimum_calls=4, window_seconds=10)
    clocked.report("api", policy, Report(0, failed=3))
    clocked.pass_ms(9999)
    assert _failed(clocked) == 3
    clocked.pass_ms(1)
    assert _failed(clocked) == 0
    assert clocked.report("api", policy, Report(0, failed=1)).circuit == "closed"
    assert clocked.report("api", policy, Report(0, failed=3)).circuit == "open"


def _failed(store: Store) -> int:
    details = store.details("api")
    assert details
    return details.failed


def test_successes_of_the_whole_fleet_are_counted_beside_its_failures(store: Store) -> None:
    policy = Policy(failure_threshold=None, failure_rate=0.6, minimum_calls=20)
    store.report("api", policy, Report(0, ok=8))
    assert store.report("api", policy, Report(0, failed=11)).circuit == "closed"
    assert store.report("api", policy, Report(0, failed=1, error="Down: no")).circuit == "open"
    (event,) = store.history("api", 9)
    assert (event.before, event.after, event.why) == ("closed", "open", "12 of 20 calls failed")
    assert event.error == "Down: no"


def test_a_trip_is_published_with_the_whole_state(store: Store, client: Redis) -> None:
    store.register("api", _POLICY)
    asked: Any = client
    listener = asked.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(store.channel)
    listener.get_message(timeout=5)
    state = _trip(store)
    message = listener.get_message(timeout=5)
    assert message
    assert wire.state(message["data"]) == state
    assert json.loads(message["data"])["left_ms"] == 2500
    listener.close()


def test_a_new_process_learns_of_an_open_circuit_as_it_registers(store: Store, client: Redis) -> None:
    _trip(store)
    state, _ = Store(client, "p:").register("api", _POLICY)
    assert state.circuit == "open"
    assert 0 < state.left_seconds <= 2.5


@pytest.mark.parametrize("name", ["a\nb", "'\"", "%s*?[", "🙂" * 200, "probes:x", "\x00", "a b:{c}"])
def test_a_breaker_may_have_any_name(store: Store, name: str) -> None:
    store.register(name, _POLICY)
    store.register("x", _POLICY)
    state = _trip(store, name=name)
    assert state.name == name
    assert [each.circuit for each in store.read([name, "x"])] == ["open", "closed"]
    assert set(store.names()) == {name, "x"}
    assert store.history(name, 5)[0].name == name
    details = store.details(name)
    assert details
    assert (details.error, details.tripped) == ("Down: no", 1)


def test_what_waits_goes_as_probes_and_then_at_the_ramps_rate(clocked: Clocked) -> None:
    policy = _POLICY.model_copy(update={"probes": 2, "ramp_seconds": 10.0, "ramp_per_second": 100.0})
    ids = [str(each) for each in range(1000)]
    clocked.pass_seconds(_trip(clocked, policy).left_seconds)
    assert clocked.release("api", policy, ids) == ["0", "1"]
    assert clocked.release("api", policy, ids[2:]) == []
    epoch = clocked.read(["api"])[0].epoch
    for each in ids[:2]:
        clocked.report("api", policy, Report(epoch, each, ok=1))
    gone = [sum(_released(clocked, policy, ids) for _ in range(10)) for _ in range(30)]
    assert gone[0] < gone[4] < gone[9]
    assert 10 <= gone[0] <= 20
    assert gone[10:] == [100] * 20


def _released(clocked: Clocked, policy: Policy, ids: list[str]) -> int:
    clocked.pass_ms(100)
    return len(clocked.release("api", policy, ids))
