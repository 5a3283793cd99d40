"""Redis is killed, hangs or is slow: calls are made as before, and this process protects itself meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator import settings
from orchestrator.breaker import Breaker, breaker, hub
from orchestrator.breaker.store import Store
from orchestrator.errors import BreakerOpen
from orchestrator.policy import Policy
from tests.own_redis import OwnRedis
from tests.processes import wait_until
from tests.wire import wire

_POLICY = Policy(failure_threshold=3, failure_rate=None, open_seconds=60, ramp_seconds=0, open_jitter=0)


class Down(Exception):
    """The dependency does not answer."""


def _fails(guard: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(Down), guard:
            raise Down


def _goes_well(guard: Breaker) -> bool:
    with guard:
        return True


def _is_refused(guard: Breaker) -> bool:
    try:
        return not _goes_well(guard)
    except BreakerOpen:
        return True


@contextmanager
def _stopped(server: OwnRedis) -> Iterator[None]:
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


def _store(server: OwnRedis) -> Store:
    return Store(server.client)


def test_without_redis_calls_are_made_and_a_circuit_opens_in_the_process(fresh: OwnRedis) -> None:
    guard = breaker("killed", _POLICY)
    assert _goes_well(guard)

    fresh.kill()
    try:
        assert _goes_well(guard)
        _fails(guard, 3)
        assert _is_refused(guard)
    finally:
        fresh.start_again()

    # It is told to the fleet when Redis is back.
    wait_until(lambda: _store(fresh).read(["killed"])[0].circuit == "open", what="the trip's report")
    assert _is_refused(guard)
    _store(fresh).control("killed", "close", who="a test", why="it is back")
    wait_until(lambda: _goes_well(guard) if guard.state.circuit == "closed" else False)
    _fails(guard, 2)
    assert _store(fresh).read(["killed"])[0].has_failures


def test_a_process_that_starts_without_redis_counts_for_itself_and_is_registered_later(
    fresh: OwnRedis,
) -> None:
    fresh.kill()
    try:
        assert all(_goes_well(breaker(f"late-{number}", _POLICY)) for number in range(50))
        _fails(breaker("late-0"), 3)
        assert _is_refused(breaker("late-0"))
    finally:
        fresh.start_again()

    wait_until(lambda: hub.hub().is_up, what="the link")
    wait_until(lambda: _goes_well(breaker("late-1")) and "late-1" in _store(fresh).names())


def test_a_redis_that_hangs_costs_one_timeout_of_all_breakers(fresh: OwnRedis, asked: list[str]) -> None:
    guards = [breaker(f"hung-{number}", _POLICY) for number in range(20)]
    assert all(_goes_well(guard) for guard in guards)
    registered = len(asked)

    with _stopped(fresh):
        for guard in guards:
            _fails(guard, 3)
            assert _is_refused(guard)
        assert len(asked) - registered <= 1

    wait_until(lambda: hub.hub().is_up, what="the return")
    wait_until(lambda: {state.circuit for state in _store(fresh).read([g.name for g in guards])} == {"open"})


def test_a_process_that_starts_while_redis_hangs_waits_once(fresh: OwnRedis, asked: list[str]) -> None:
    with _stopped(fresh):
        for number in range(20):
            _fails(breaker(f"born-{number}", _POLICY), 3)
            assert _is_refused(breaker(f"born-{number}"))
        assert asked == []


def test_a_silent_link_is_noticed_without_any_call(fresh: OwnRedis) -> None:
    assert _goes_well(breaker("silent", _POLICY))

    with _stopped(fresh):
        wait_until(lambda: not hub.hub().is_up, within_seconds=5.0, what="the silence")
    wait_until(lambda: hub.hub().is_up, what="the return")


def test_a_redis_that_takes_half_a_second_is_away(
    fresh: OwnRedis, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    with wire(fresh.port, delay_seconds=0.5) as port:
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{port}/0")
        settings.use(settings.load())
        guard = breaker("slow", _POLICY)

        _fails(guard, 3)

        assert _is_refused(guard)
        assert asked == []
        hub.forget()
