"""The fleet goes by one policy a breaker, the newest one; names are remembered while somebody uses them."""

import pytest
from redis import Redis

from orchestrator import keys
from orchestrator.breaker import store as storing
from orchestrator.breaker.report import Report
from orchestrator.breaker.store import Store
from orchestrator.policy import Policy
from tests.integration.breaker.store.clocked import Clocked

_OLD = Policy(failure_threshold=2)
_NEW = Policy(failure_threshold=3)


def test_the_newer_policy_wins_and_the_older_one_hears_of_it(clocked: Clocked) -> None:
    assert clocked.register("api", _OLD)[1] == _OLD
    clocked.pass_seconds(1)
    assert clocked.register("api", _NEW)[1] == _NEW
    clocked.pass_seconds(1)
    state, policy = clocked.register("api", _OLD)
    assert (policy, state.policy) == (_NEW, _NEW.fingerprint)
    assert clocked.report("api", _OLD, Report(0, failed=2)).circuit == "closed"
    (event,) = clocked.history("api", 9)
    assert (event.before, event.after) == (_OLD.fingerprint, _NEW.fingerprint)
    assert event.why == "another policy, which was first seen later"


def test_a_policy_that_nobody_registered_for_a_day_gives_way(clocked: Clocked) -> None:
    clocked.register("api", _OLD)
    clocked.pass_seconds(1)
    clocked.register("api", _NEW)
    for _ in range(24):
        clocked.pass_seconds(3600)
        assert clocked.register("api", _OLD)[1] == _NEW
    clocked.pass_ms(1)
    assert clocked.register("api", _OLD)[1] == _OLD


def test_a_stored_policy_of_a_newer_release_is_read_without_what_it_adds(store: Store, client: Redis) -> None:
    store.register("api", _OLD)
    text = _OLD.model_dump_json()[:-1] + ',"of_tomorrow":1}'
    client.hset(keys.breaker("api", "p:"), "policy", text)
    assert store.register("api", _OLD)[1] == _OLD


def test_only_so_many_policies_of_a_breaker_are_remembered(clocked: Clocked, client: Redis) -> None:
    for threshold in range(1, 41):
        clocked.pass_ms(1)
        clocked.register("api", Policy(failure_threshold=threshold))
    fields = map(str, client.hkeys(keys.breaker("api", "p:")))
    assert sum(field.startswith("seen:") for field in fields) <= 18


def test_the_name_that_was_not_used_for_longest_is_forgotten(
    clocked: Clocked, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "MOST_NAMES", 3)
    clocked.control("isolated", "isolate", who="ann", why="")
    for name in ("closed", "open", "c", "d", "e"):
        clocked.register(name, _OLD)
        clocked.report(name, _OLD, Report(0, failed=1 if name == "closed" else 2))
        clocked.pass_seconds(1)
    assert clocked.names() == ["c", "d", "e"]
    assert not client.exists(keys.breaker("closed", "p:"), keys.breaker_window("closed", "p:"))
    assert clocked.read(["open"])[0].circuit == "open"
    assert clocked.read(["isolated"])[0].mode == "isolated"


def test_a_breaker_lives_for_thirty_days_after_its_last_registration(store: Store, client: Redis) -> None:
    key = keys.breaker("api", "p:")
    store.register("api", _OLD)
    client.expire(key, 9)
    store.register("api", _OLD)
    assert client.ttl(key) in {2_592_000, 2_591_999}


def test_what_the_release_that_stored_a_policy_did_not_know_is_as_usual(
    clocked: Clocked, client: Redis
) -> None:
    clocked.register("api", _OLD)
    client.hset(keys.breaker("api", "p:"), "policy", '{"failure_threshold":2}')

    assert clocked.read(["api"])[0].circuit == "closed"
    assert clocked.report("api", _NEW, Report(0, failed=2)).circuit == "open"
    details = clocked.details("api")
    assert details is not None
    assert details.state.left_seconds > 29
