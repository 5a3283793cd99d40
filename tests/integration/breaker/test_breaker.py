"""One breaker, as code of one process uses it, on a real Redis."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import suppress

import pytest
import structlog
from celery.exceptions import Ignore, Reject, Retry

from orchestrator.breaker import Breaker, breaker, hub
from orchestrator.breaker.state import Circuit, State
from orchestrator.breaker.store import Store
from orchestrator.errors import BreakerOpen, TransientError
from orchestrator.policy import Policy
from tests.own_redis import OwnRedis
from tests.processes import wait_until

_POLICY = Policy(failure_threshold=3, failure_rate=None, open_seconds=60, ramp_seconds=0, open_jitter=0)
_SOON = _POLICY.model_copy(update={"failure_threshold": 1, "open_seconds": 0.05})


class Down(Exception):
    """The dependency does not answer."""


def _fails(guard: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(Down), guard:
            raise Down


def _goes_well(guard: Breaker) -> None:
    with guard:
        pass


def _is_refused(guard: Breaker) -> bool:
    try:
        _goes_well(guard)
    except BreakerOpen:
        return True
    return False


def _pause(guard: Breaker) -> float | None:
    try:
        _goes_well(guard)
    except BreakerOpen as error:
        return error.retry_after_seconds
    return None


def _circuit(guard: Breaker) -> Circuit:
    return guard.state.circuit


def _is_due(guard: Breaker) -> bool:
    return _circuit(guard) == "open" and guard.state.left_seconds == 0


def test_a_clean_call_and_a_refused_one_ask_redis_nothing_and_one_that_fails_asks_once(
    fresh: OwnRedis, asked: list[str]
) -> None:
    @breaker("counted", _POLICY)
    def call(error: Exception | None = None) -> None:
        if error:
            raise error

    call()
    assert asked == ["register"]
    for _ in range(1000):
        call()
    assert asked == ["register"]
    for count in range(1, 4):
        with pytest.raises(Down):
            call(Down())
        assert asked == ["register", *["report"] * count]
    for _ in range(1000):
        with pytest.raises(BreakerOpen):
            call()
    assert asked == ["register", "report", "report", "report"]


def test_the_error_of_the_call_that_trips_it_is_its_own(fresh: OwnRedis) -> None:
    guard = breaker("own", _POLICY)
    _fails(guard, 3)

    with pytest.raises(BreakerOpen) as refused, guard:
        pass

    assert refused.value.breaker == "own"
    assert refused.value.retry_after_seconds == pytest.approx(60, abs=5)
    assert str(refused.value) == "the circuit of 'own' is open"


@pytest.mark.parametrize("error", [Retry(), Ignore(), Reject(), KeyError("excluded"), SystemExit()])
def test_what_is_not_the_dependencys_fault_counts_for_nothing(fresh: OwnRedis, error: BaseException) -> None:
    guard = breaker("neutral", _POLICY, excluded=KeyError)
    for _ in range(5):
        with pytest.raises(type(error)), guard:
            raise error

    assert _circuit(guard) == "closed"
    assert not guard.state.has_failures


def test_a_success_ends_failures_in_a_row(fresh: OwnRedis) -> None:
    guard = breaker("row", _POLICY)
    _fails(guard, 2)
    _goes_well(guard)
    _fails(guard, 2)
    assert not _is_refused(guard)


def test_a_probe_that_goes_well_closes_it(fresh: OwnRedis) -> None:
    guard = breaker("probed", _SOON)
    _fails(guard)
    wait_until(lambda: _is_due(guard))

    _goes_well(guard)

    assert _circuit(guard) == "closed"
    assert guard.standing.clean is not None


def test_a_probe_that_fails_opens_it_for_longer(fresh: OwnRedis) -> None:
    guard = breaker("probed", _SOON.model_copy(update={"open_seconds": 0.2}))
    _fails(guard)
    wait_until(lambda: _is_due(guard))

    _fails(guard)

    assert _circuit(guard) == "open"
    assert 0.2 < guard.state.left_seconds <= 0.4


def test_a_probe_that_is_neutral_gives_its_place_to_the_next(fresh: OwnRedis) -> None:
    guard = breaker("probed", _SOON)
    _fails(guard)
    wait_until(lambda: _is_due(guard))

    with pytest.raises(Ignore), guard:
        raise Ignore

    assert _circuit(guard) == "half_open"
    assert not _is_refused(guard)


def test_the_result_of_a_call_from_before_the_trip_counts_for_nothing(fresh: OwnRedis) -> None:
    guard = breaker("late", _SOON)
    late_success, late_failure = guard.permit(), guard.permit()
    _fails(guard)
    wait_until(lambda: _is_due(guard))
    with guard:
        late_success.end()
        assert _circuit(guard) == "half_open"
    assert _circuit(guard) == "closed"

    late_failure.end(Down())

    assert _circuit(guard) == "closed"
    assert not guard.state.has_failures


def test_within_a_probe_the_same_breaker_lets_calls_through(fresh: OwnRedis) -> None:
    guard = breaker("nested", _SOON)
    _fails(guard)
    wait_until(lambda: _is_due(guard))

    with guard:
        with guard:
            assert _circuit(guard) == "half_open"
        assert _circuit(guard) == "half_open"

    assert _circuit(guard) == "closed"


def test_a_task_that_outlives_the_call_in_which_it_was_begun_is_not_within_it(fresh: OwnRedis) -> None:
    guard = breaker("outlived", _POLICY)

    async def main() -> None:
        has_opened = asyncio.Event()

        async def outlive() -> None:
            await has_opened.wait()
            async with guard:
                pass

        async with guard:
            task = asyncio.create_task(outlive())
        Store(fresh.client).control("outlived", "isolate", who="a test", why="no call is made")
        await asyncio.to_thread(wait_until, lambda: guard.state.mode == "isolated")
        has_opened.set()
        with pytest.raises(BreakerOpen):
            await task

    asyncio.run(main())


def test_one_error_is_one_failure_however_many_calls_it_leaves(fresh: OwnRedis) -> None:
    @breaker("twice", _POLICY)
    def inner() -> None:
        raise Down

    @breaker("twice")
    def outer() -> None:
        try:
            inner()
        except Down as error:
            raise TransientError("it is down") from error

    for _ in range(2):
        with pytest.raises(TransientError):
            outer()

    assert Store(fresh.client).read(["twice"])[0].circuit == "closed"


def test_what_the_dependency_asks_for_prolongs_the_open_time(fresh: OwnRedis) -> None:
    guard = breaker("asked", _SOON)
    with pytest.raises(TransientError), guard:
        raise TransientError("busy", retry_after_seconds=120)

    assert guard.state.left_seconds == pytest.approx(120, abs=5)


def test_after_closing_a_part_of_the_calls_is_let_in_and_those_that_were_let_go(fresh: OwnRedis) -> None:
    guard = breaker("ramp", _SOON.model_copy(update={"ramp_seconds": 3600.0}))
    _fails(guard)
    wait_until(lambda: _is_due(guard))
    _goes_well(guard)

    refused = sum(_is_refused(guard) for _ in range(400))

    assert 300 < refused < 400
    for number in range(100):
        guard.permit(f"task-{number}").end()
    assert {_pause(guard) for _ in range(100)} == {None, 1.0}


def test_threads_that_fail_together_are_told_of_together(fresh: OwnRedis) -> None:
    guard = breaker("threads", _POLICY.model_copy(update={"failure_threshold": 32}))
    together = threading.Barrier(32)

    def fail() -> None:
        with suppress(Down), guard:
            together.wait(10)
            raise Down

    threads = [threading.Thread(target=fail) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert _circuit(guard) == "open"
    assert Store(fresh.client).history("threads")[0].why == "32 failures in a row"


def test_successes_are_told_within_a_moment_where_a_rate_is_formed_of_them(fresh: OwnRedis) -> None:
    policy = Policy(failure_threshold=None, failure_rate=0.5, minimum_calls=4)
    guard = breaker("rate", policy)
    for _ in range(10):
        _goes_well(guard)

    wait_until(lambda: list(fresh.client.scan_iter("*window*rate*")), what="the telling")
    _fails(guard, 9)
    assert _circuit(guard) == "closed"
    _fails(guard)

    assert _circuit(guard) == "open"
    assert Store(fresh.client).history("rate")[0].why == "10 of 20 calls failed"


def test_changes_are_heard_by_who_listens(fresh: OwnRedis) -> None:
    heard: list[tuple[str, str]] = []

    def note(before: State, after: State) -> None:
        heard.append((before.circuit, after.circuit))

    hub.hub().listen(note)
    guard = breaker("listened", _SOON)
    _fails(guard)
    wait_until(lambda: _is_due(guard))
    _goes_well(guard)

    wait_until(lambda: len(heard) == 3)
    assert heard == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]


def test_the_process_that_trips_it_says_why_and_of_which_error(
    fresh: OwnRedis, caplog: pytest.LogCaptureFixture
) -> None:
    structlog.reset_defaults()
    guard = breaker("told", _POLICY)
    for _ in range(3):
        with pytest.raises(OSError, match="refused"), guard:
            raise OSError("refused, token=hunter2")

    wait_until(lambda: "breaker_opened" in caplog.text, what="the line")
    (line,) = [each for each in caplog.messages if each.startswith("breaker_opened")]
    assert "why='3 failures in a row' error='OSError: refused, token=****'" in line


def test_what_is_set_by_hand_holds_at_once(fresh: OwnRedis) -> None:
    guard = breaker("by-hand", _POLICY)
    _goes_well(guard)
    store = Store(fresh.client)

    store.control("by-hand", "isolate", who="a test", why="it is replaced")
    wait_until(lambda: guard.state.mode == "isolated")
    assert _is_refused(guard)

    store.control("by-hand", "disable", who="a test", why="it is needed")
    wait_until(lambda: guard.state.mode == "disabled")
    _fails(guard, 5)

    store.control("by-hand", "shadow", who="a test", why="to see what it would do")
    wait_until(lambda: guard.state.mode == "shadow")
    _fails(guard, 5)
    assert _circuit(guard) == "open"
    assert not _is_refused(guard)


def test_a_failure_that_was_learned_of_elsewhere_counts(fresh: OwnRedis) -> None:
    guard = breaker("elsewhere", _POLICY)
    for _ in range(3):
        guard.report_failure("the process was killed: password=hunter2")

    wait_until(lambda: _circuit(guard) == "open")
    assert Store(fresh.client).history("elsewhere")[0].error == "the process was killed: password=****"


def test_generators_are_protected_from_their_first_value_to_their_end(fresh: OwnRedis) -> None:
    guard = breaker("generators", _POLICY.model_copy(update={"failure_threshold": 1}))

    @guard
    def values(error: Exception | None = None) -> Generator[int, int, str]:
        got = yield 1
        if error:
            raise error
        yield got
        return "end"

    running = values()
    assert [next(running), running.send(7)] == [1, 7]
    with pytest.raises(StopIteration, match="end"):
        next(running)
    abandoned = values(Down())
    assert next(abandoned) == 1
    abandoned.close()
    assert _circuit(guard) == "closed"
    with pytest.raises(Down):
        list(values(Down()))
    with pytest.raises(BreakerOpen):
        next(values())


def test_asynchronous_code_is_protected_in_each_form(fresh: OwnRedis) -> None:
    guard = breaker("async", _POLICY)

    @guard
    async def call() -> None:
        raise Down

    @guard
    async def values() -> AsyncGenerator[int, int]:
        got = yield 1
        yield got
        raise Down

    async def main() -> None:
        with pytest.raises(Down):
            await call()
        running = values()
        assert [await anext(running), await running.asend(7)] == [1, 7]
        with pytest.raises(Down):
            await anext(running)
        with pytest.raises(Down):
            async with guard:
                raise Down
        with pytest.raises(BreakerOpen):
            await call()

    asyncio.run(main())
    assert _circuit(guard) == "open"


def test_a_report_is_made_though_the_task_that_waits_for_it_is_cancelled(fresh: OwnRedis) -> None:
    guard = breaker("cancelled", _SOON)

    async def main() -> None:
        await guard(_nothing)()
        fresh.client.client_pause(200, all=False)
        failing = asyncio.create_task(guard(_down)())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        failing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await failing
        # The loop went on while Redis was silent.
        assert _circuit(guard) == "closed"

    asyncio.run(main())
    wait_until(lambda: _circuit(guard) == "open")


async def _down() -> None:
    raise Down


async def _nothing() -> None:
    """Do nothing."""
