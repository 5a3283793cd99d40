"""A breaker withstands what happens to a Redis: it is flushed, full, moved, or holds something else."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import takewhile
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from orchestrator import keys
from orchestrator.breaker.report import Report
from orchestrator.breaker.state import State
from orchestrator.breaker.store import Store
from orchestrator.policy import Policy
from tests.integration.breaker.store.clocked import Clocked
from tests.own_redis import OwnRedis, own_redis

_POLICY = Policy(failure_threshold=2, failure_rate=None, open_jitter=0, probes=3)
_HASH = keys.breaker("api", "p:")


@pytest.fixture(scope="module")
def own() -> Iterator[OwnRedis]:
    """A server of this module's own: others would lose their scripts as well."""
    with own_redis() as server:
        yield server


def _trip(store: Store) -> State:
    return store.report("api", _POLICY, Report(store.read(["api"])[0].epoch, failed=2))


def test_a_redis_that_has_lost_its_scripts_gets_them_again(own: OwnRedis) -> None:
    store = Store(own.client, "lost:")
    store.register("api", _POLICY)
    own.client.script_flush()
    assert _trip(store).circuit == "open"
    own.client.script_flush()
    assert store.admit("api", _POLICY, "a")[0] is False


def test_a_circuit_opens_in_a_redis_that_is_full(own: OwnRedis) -> None:
    store = Store(own.client, "full:")
    own.client.config_set("maxmemory", 1)
    try:
        store.register("api", _POLICY)
        assert _trip(store).circuit == "open"
        assert store.control("api", "isolate", who="ann", why="").mode == "isolated"
        assert len(store.history("api", 9)) == 2
    finally:
        own.client.config_set("maxmemory", 0)


def test_a_failing_call_is_one_command(own: OwnRedis) -> None:
    asked: Any = own.client
    store = Store(own.client, "one:")
    # The second connection to make, beside the one that listens.
    with asked.client():
        store.report("api", _POLICY, Report(0, failed=1))
    with asked.monitor() as monitor:
        store.report("api", _POLICY, Report(0, failed=1))
        own.client.echo("the end")
        heard = takewhile(lambda each: "the end" not in each["command"], monitor.listen())
        commands = [each["command"].split()[0] for each in heard if each["client_type"] != "lua"]
    assert commands == ["EVALSHA"]


def _register(store: Store) -> None:
    store.register("api", _POLICY)


def _report(store: Store) -> None:
    store.report("api", Policy(), Report(0, failed=1))


def _admit(store: Store) -> None:
    store.admit("api", _POLICY, "a")


@pytest.mark.parametrize(
    ("key", "ask"),
    [
        (_HASH, _register),
        (_HASH, _report),
        (_HASH, _admit),
        (keys.breaker_window("api", "p:"), _report),
        (keys.breakers("p:"), _register),
    ],
)
def test_a_key_that_holds_something_else_is_an_error_and_is_left_alone(
    store: Store, client: Redis, key: str, ask: Callable[[Store], None]
) -> None:
    client.set(key, "mine")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        ask(store)
    assert client.get(key) == "mine"


def test_one_that_cannot_be_read_hides_no_other(store: Store, client: Redis) -> None:
    _trip(store)
    client.set(keys.breaker("broken", "p:"), "mine")
    assert [each.circuit for each in store.read(["broken", "api"])] == ["closed", "open"]


def test_a_history_that_cannot_be_written_keeps_no_circuit_from_opening(store: Store, client: Redis) -> None:
    client.set(keys.breaker_history("p:"), "mine")
    assert _trip(store).circuit == "open"


def test_what_was_flushed_is_given_back_once(clocked: Clocked, client: Redis) -> None:
    known = _trip(clocked)
    client.flushdb()
    clocked.pass_seconds(1)
    clocked.register("api", _POLICY)
    restored = clocked.restore("api", _POLICY, known)
    assert (restored.circuit, restored.left_seconds) == ("open", 30.0)
    assert restored.epoch > known.epoch
    clocked.pass_seconds(5)
    again = clocked.restore("api", _POLICY, known)
    assert (again.left_seconds, again.version) == (25.0, restored.version)
    clocked.control("api", "close", who="ann", why="")
    assert clocked.restore("api", _POLICY, known).circuit == "closed"


def test_a_replica_that_was_behind_is_brought_up_to_date(clocked: Clocked, client: Redis) -> None:
    clocked.register("api", _POLICY)
    client.copy(_HASH, "before")
    known = _trip(clocked)
    client.copy("before", _HASH, replace=True)
    assert clocked.restore("api", _POLICY, known).circuit == "open"
    client.copy("before", _HASH, replace=True)
    isolated = replace(known, circuit="closed", epoch=0, mode="isolated")
    assert clocked.restore("api", _POLICY, isolated).mode == "isolated"


def test_a_circuit_that_a_process_has_opened_by_itself_is_opened_for_all(clocked: Clocked) -> None:
    known, _ = clocked.register("api", _POLICY)
    alone = replace(known, circuit="open", epoch=known.epoch + 1, left_seconds=12.0)
    # Others' failures and successes, which are changes as well.
    clocked.report("api", _POLICY, Report(0, failed=1))
    clocked.report("api", _POLICY, Report(0, ok=1))
    restored = clocked.restore("api", _POLICY, alone)
    assert (restored.circuit, restored.left_seconds) == ("open", 12.0)


def test_what_was_isolated_by_hand_is_isolated_after_a_flush(clocked: Clocked, client: Redis) -> None:
    known = clocked.control("api", "isolate", who="ann", why="a trial", seconds=60)
    client.flushdb()
    clocked.pass_seconds(1)
    restored = clocked.restore("api", _POLICY, known)
    assert (restored.mode, restored.mode_left_seconds) == ("isolated", 60.0)


def test_a_state_that_redis_has_moved_on_from_is_not_given_back(clocked: Clocked) -> None:
    known = _trip(clocked)
    clocked.control("api", "close", who="ann", why="")
    assert clocked.restore("api", _POLICY, known).circuit == "closed"


def test_a_clock_that_is_set_back_an_hour_makes_nothing_last_an_hour(clocked: Clocked) -> None:
    _trip(clocked)
    clocked.pass_ms(-3_600_000)
    assert clocked.admit("api", _POLICY, "a")[1].left_seconds == 30.0
    clocked.pass_seconds(30)
    assert clocked.admit("api", _POLICY, "a")[0] is True
    clocked.pass_ms(-3_600_000)
    for token in ("b", "c", "d"):
        permitted, state = clocked.admit("api", _POLICY, token)
        assert permitted
    for token in ("b", "c", "d"):
        state = clocked.report("api", _POLICY, Report(state.epoch, token, ok=1))
    assert state.circuit == "closed"
    clocked.pass_ms(-3_600_000)
    assert clocked.read(["api"])[0].ramp_left_seconds == 10.0


def test_a_flush_in_the_middle_of_a_probe_harms_nobody(store: Store, client: Redis) -> None:
    state = store.control("api", "open", who="ann", why="", seconds=0.001)
    client.hset(_HASH, "until", 1)
    permitted, state = store.admit("api", _POLICY, "a")
    assert permitted
    client.flushdb()
    assert store.report("api", _POLICY, Report(state.epoch, "a", failed=1)).circuit == "closed"
    assert store.admit("api", _POLICY, "b")[0] is True
    assert _trip(store).circuit == "open"
