"""Redis forgets: its keys, its scripts, or what a replica had not heard yet. Open circuits stay open."""

from __future__ import annotations

import pytest

from orchestrator.breaker import Breaker, breaker
from orchestrator.breaker.store import Store
from orchestrator.errors import BreakerOpen
from orchestrator.policy import Policy
from tests.own_redis import OwnRedis
from tests.processes import wait_until

_POLICY = Policy(failure_threshold=3, failure_rate=None, open_seconds=60, ramp_seconds=0, open_jitter=0)


class Down(Exception):
    """The dependency does not answer."""


def _fails(guard: Breaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Down), guard:
            raise Down


def _is_refused(guard: Breaker) -> bool:
    try:
        with guard:
            return False
    except BreakerOpen:
        return True


def test_a_flush_closes_no_open_circuit(fresh: OwnRedis) -> None:
    guard = breaker("flushed", _POLICY)
    _fails(guard, 3)

    fresh.client.flushall()
    assert _is_refused(guard)

    store = Store(fresh.client)
    wait_until(lambda: store.read(["flushed"])[0].circuit == "open", what="the restoration")
    assert store.read(["flushed"])[0].left_seconds > 50
    assert _is_refused(guard)


def test_a_flush_ends_no_isolation(fresh: OwnRedis) -> None:
    guard = breaker("isolated", _POLICY)
    assert not _is_refused(guard)
    store = Store(fresh.client)
    store.control("isolated", "isolate", who="a test", why="it is replaced")
    wait_until(lambda: guard.state.mode == "isolated")

    fresh.client.flushall()

    wait_until(lambda: store.read(["isolated"])[0].mode == "isolated", what="the restoration")
    assert _is_refused(guard)


def test_a_clean_breaker_goes_on_after_a_flush(fresh: OwnRedis) -> None:
    guard = breaker("clean", _POLICY)
    assert not _is_refused(guard)

    fresh.client.flushall()
    _fails(guard, 3)

    assert _is_refused(guard)
    assert Store(fresh.client).read(["clean"])[0].circuit == "open"


def test_scripts_that_are_gone_are_loaded_again(fresh: OwnRedis) -> None:
    guard = breaker("scripts", _POLICY)
    _fails(guard, 1)

    fresh.client.script_flush()
    _fails(guard, 2)

    assert _is_refused(guard)
    assert Store(fresh.client).read(["scripts"])[0].circuit == "open"
