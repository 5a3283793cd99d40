"""The thread that hears of breakers goes on hearing, whatever one breaker, message or listener does."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest

from orchestrator import keys, settings
from orchestrator.breaker import Breaker, breaker, hub
from orchestrator.breaker.state import State
from orchestrator.breaker.store import Store
from orchestrator.policy import Policy
from orchestrator.transport.keys import Keys
from orchestrator.worker import clock
from orchestrator.worker.mover import Mover
from tests.own_redis import OwnRedis
from tests.processes import wait_until

_POLICY = Policy(failure_threshold=1, failure_rate=None, open_seconds=60, ramp_seconds=0)


def _known(name: str, policy: Policy = _POLICY) -> Breaker:
    guard = breaker(name, policy)
    guard.standing.make_known()
    return guard


def _open(server: OwnRedis, name: str) -> None:
    Store(server.client).control(name, "open", who="a test", why="on purpose")


def _link(server: OwnRedis) -> str:
    (link,) = server.client.client_list(_type="pubsub")
    return str(link["id"])


def test_what_is_no_state_ends_no_link(fresh: OwnRedis) -> None:
    guard = _known("junk")
    link = _link(fresh)

    fresh.client.publish(hub.hub().store.channel, "junk")
    _open(fresh, "junk")

    wait_until(lambda: guard.state.circuit == "open", what="the next message")
    assert _link(fresh) == link


def test_a_breaker_whose_key_is_something_else_cuts_off_no_other(fresh: OwnRedis) -> None:
    wrong, guard = _known("wrong"), _known("right")
    fresh.client.delete(keys.breaker("wrong"))
    fresh.client.set(keys.breaker("wrong"), "something else")

    fresh.client.client_kill_filter(_type="pubsub")
    wait_until(lambda: not hub.hub().is_up, what="the loss")
    wait_until(lambda: hub.hub().is_up, what="the return")

    _open(fresh, "right")
    wait_until(lambda: guard.state.circuit == "open", what="a push")
    assert wrong.state.circuit == "closed"


def test_a_listener_that_ends_the_thread_does_not(fresh: OwnRedis) -> None:
    guard = _known("listened")

    def leave(_before: State, _after: State) -> None:
        raise SystemExit

    hub.hub().listen(leave)
    _open(fresh, "listened")
    wait_until(lambda: guard.state.circuit == "open", what="the first change")
    Store(fresh.client).control("listened", "close", who="a test", why="on purpose")

    wait_until(lambda: guard.state.circuit == "closed", what="the second change")


def test_a_server_whose_clock_is_behind_is_heard(fresh: OwnRedis) -> None:
    guard = _known("clock")

    fresh.client.hset(keys.breaker("clock"), "born", 1)
    _open(fresh, "clock")

    wait_until(lambda: guard.state.circuit == "open", what="the read")


def test_a_probe_that_is_collected_as_garbage_waits_for_no_lock_and_gives_its_lease_back(
    fresh: OwnRedis,
) -> None:
    guard = _known("garbage", _POLICY.model_copy(update={"open_seconds": 0.05}))

    @guard
    def numbers() -> Generator[int, None, None]:
        yield 1
        yield 2

    with pytest.raises(OSError, match="down"), guard:
        raise OSError("down")
    wait_until(lambda: guard.state.left_seconds == 0, what="the end of the open time")
    probe = numbers()
    assert next(probe) == 1
    assert fresh.client.zcard(keys.breaker_probes("garbage")) == 1

    locked, closed = threading.Event(), threading.Event()

    def hold() -> None:
        with guard.standing._wire, guard.standing._lock:  # noqa: SLF001
            locked.set()
            closed.wait(20)

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    assert locked.wait(20)
    closer = threading.Thread(target=probe.close, daemon=True)
    closer.start()
    closer.join(5)
    assert not closer.is_alive()

    closed.set()
    wait_until(lambda: fresh.client.zcard(keys.breaker_probes("garbage")) == 0, what="the lease")


def test_a_mover_goes_by_the_policy_that_the_fleet_has_taken_on(fresh: OwnRedis) -> None:
    guard = _known("moved")
    newer = _POLICY.model_copy(update={"ramp_per_second": 7.0})
    Store(fresh.client).register("moved", newer)
    wait_until(lambda: guard.standing.clean is None, what="the push")

    fresh.client.sadd(keys.asides(), "moved")
    Mover(fresh.client, Keys(), lambda _: []).turn()

    assert guard.policy == newer


def test_a_mover_probes_though_the_breakers_redis_is_away(
    fresh: OwnRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    settings.use(settings.load())
    guard = _known("alone", _POLICY.model_copy(update={"open_seconds": 0.05}))
    with pytest.raises(OSError, match="down"), guard:
        raise OSError("down")
    wait_until(lambda: guard.state.left_seconds == 0, what="the end of the open time")
    fresh.client.sadd(keys.asides(), "alone")
    for number in range(3):
        fresh.client.zadd(keys.aside("alone"), {str(number): 10**15 + number})
        fresh.client.hset(keys.aside_messages(), str(number), f"queue\n{number}")

    mover = Mover(fresh.client, Keys(), lambda _: ["queue"])
    for _ in range(3):
        mover.turn()

    assert fresh.client.llen("queue") == 1


def test_a_mover_knows_the_brokers_clock_before_it_begins(
    fresh: OwnRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mover, "_run", lambda _: None)
    # This host's clock is wrong by an hour.
    clock.hear((int(time.time()) - 3600, 0))

    mover = Mover(fresh.client, Keys(), lambda _: [])
    mover.start()
    mover.close()

    assert clock.now() == pytest.approx(time.time(), abs=60)
