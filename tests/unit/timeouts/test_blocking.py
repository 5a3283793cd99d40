"""Timeout contexts in synchronous code: what blocks is interrupted, and nothing is after its block."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import math
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from orchestrator.errors import TimeoutExceeded
from orchestrator.events import GraceRecovered, TimeoutNear, TimeoutStruck
from orchestrator.timeouts import TimeoutConfig, TimeoutManager, blocking, deadline_left, interrupts
from orchestrator.timeouts.left import INNERMOST
from orchestrator.timeouts.running import table
from orchestrator.timeouts.watchdog import Watchdog
from tests.processes import wait_until
from tests.unit.timeouts.told import told, unpublished

# By a thread: SIGALRM, which it would take otherwise, is ours here.
pytestmark = pytest.mark.timeout(60, method="thread")

_BARE = TimeoutConfig(10, 100, enable_progressive_timeout=False)


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with unpublished():
        yield
    assert INNERMOST.get() is None
    assert len(table) == 0
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def _spin() -> None:
    while True:
        pass


def _sleep() -> None:
    time.sleep(100)


def _sleep_little() -> None:
    while True:
        time.sleep(0.001)


def _timed_out(manager: TimeoutManager, block: Callable[[], Any]) -> TimeoutExceeded:
    with (
        pytest.raises(TimeoutExceeded) as caught,
        manager.timeout_context("outer", 0.02),
        manager.timeout_context("inner", 50),
    ):
        block()
    return caught.value


def _in_thread(work: Callable[..., Any], *args: Any) -> Any:
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(work, *args).result(30)


@pytest.mark.parametrize("block", [_spin, _sleep])
def test_the_main_thread_is_interrupted_also_while_it_waits(block: Callable[[], None]) -> None:
    error = _timed_out(TimeoutManager(_BARE), block)

    assert (type(error), error.operation) == (TimeoutExceeded, "outer")


@pytest.mark.parametrize("block", [_spin, _sleep_little])
def test_another_thread_is_interrupted(block: Callable[[], None]) -> None:
    error = _in_thread(_timed_out, TimeoutManager(_BARE), block)

    assert (type(error), error.operation) == (TimeoutExceeded, "outer")


def test_where_sigalrm_is_taken_the_main_thread_is_interrupted_without() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        error = _timed_out(TimeoutManager(_BARE), _spin)
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    assert error.operation == "outer"


def test_whoever_handles_sigalrm_within_a_block_is_not_called_and_the_block_is_interrupted() -> None:
    called: list[int] = []

    def block() -> None:
        before = signal.signal(signal.SIGALRM, lambda number, _frame: called.append(number))
        try:
            _spin()
        finally:
            signal.signal(signal.SIGALRM, before)

    assert _timed_out(TimeoutManager(_BARE), block).operation == "outer"
    assert called == []


def test_sigalrm_is_used_again_after_somebody_has_put_our_handler_back() -> None:
    manager = TimeoutManager(_BARE)
    with manager.timeout_context("read", 50):
        ours = signal.getsignal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, ours)

    assert _timed_out(manager, _sleep).operation == "outer"


def test_a_signals_handler_that_raises_leaves_no_thread_without_limits() -> None:
    manager = TimeoutManager(_BARE)

    with _signals_that_raise(0.4) as is_over:
        while not is_over():
            try:
                _enter_and_leave(manager, is_over)
            except InterruptedError:
                continue

    table.forget()
    INNERMOST.set(None)

    assert not interrupts.is_shielded(threading.get_ident())
    assert manager.metrics["timeouts"] == 0
    assert _timed_out(manager, _sleep).operation == "outer"


@contextlib.contextmanager
def _signals_that_raise(seconds: float) -> Iterator[Callable[[], bool]]:
    """They do for so long, whatever becomes of the block; yields what says that it is over.

    By the clock alone: a flag or a lock of Python's, set when one of them comes, may never be.
    """
    chance, begins_at, ends_at = random.Random(7), math.inf, math.inf

    def is_over() -> bool:
        return time.monotonic() >= ends_at

    def on_signal(_number: int, _frame: Any) -> None:
        if begins_at <= time.monotonic() < ends_at:
            raise InterruptedError

    def send() -> None:
        while not is_over():
            time.sleep(chance.uniform(1e-4, 6e-4))
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, on_signal)
    # What they raise in what Python itself calls while it collects is lost, and reported.
    gc.disable()
    try:
        sender = threading.Thread(target=send)
        sender.start()
        ends_at = time.monotonic() + seconds
        begins_at = time.monotonic()
        yield is_over
    finally:
        begins_at = math.inf
        ends_at = min(ends_at, time.monotonic() + seconds)
        sender.join(30)
        signal.signal(signal.SIGUSR1, before)
        gc.enable()


def _enter_and_leave(manager: TimeoutManager, is_over: Callable[[], bool]) -> None:
    while not is_over():
        try:
            with manager.timeout_context("read", 50):
                pass
        except InterruptedError:
            continue


def test_where_no_thread_can_be_made_the_block_is_not_begun_and_the_next_one_has_its_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    manager, dog = TimeoutManager(_BARE), Watchdog()
    monkeypatch.setattr(blocking, "watchdog", dog)
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"), manager.timeout_context("read", 0.02):
            pytest.fail("it was begun")

    assert (manager.metrics["failed"], manager.metrics["timeouts"]) == (1, 0)
    assert _timed_out(manager, _sleep).operation == "outer"


def test_what_comes_earlier_and_earlier_wakes_the_watchdog_once() -> None:
    class Later:
        is_over = False

        def advance(self) -> None:
            """Nothing is due."""

        def clock(self) -> float:
            return time.monotonic()

    class Last(Later):
        def advance(self) -> None:
            ended.set()

    ended, dog = threading.Event(), Watchdog()
    for number in range(5000):
        dog.watch(Later(), time.monotonic() + 5000 - number)
    dog.watch(Last(), time.monotonic())

    assert ended.wait(30)
    # With a turn for each of them it would still have thousands to make.
    assert dog._woken.qsize() < 100  # noqa: SLF001


def test_a_log_that_cannot_be_written_changes_nothing_of_a_limit() -> None:
    class Closed(logging.Handler):
        def emit(self, _record: logging.LogRecord) -> None:
            raise ValueError("closed")

    closed, log = Closed(), logging.getLogger("orchestrator")
    log.addHandler(closed)
    try:
        assert _timed_out(TimeoutManager(TimeoutConfig(10, 100, 0.01, 0.5)), _sleep).operation == "outer"
    finally:
        log.removeHandler(closed)


def test_it_is_warned_and_may_end_in_its_grace_period() -> None:
    warned = threading.Event()
    manager = TimeoutManager(TimeoutConfig(10, 100, 50, 0.5))
    with (
        told() as heard,
        manager.timeout_context("read", 0.02, on_warning=lambda _: warned.set()) as context,
    ):
        assert warned.wait(30)
        wait_until(lambda: context.state == "grace")

    assert [type(event) for event in heard] == [TimeoutNear, GraceRecovered]
    assert manager.metrics["grace_recoveries"] == 1


def test_what_swallows_the_error_is_timed_out_when_it_ends() -> None:
    manager = TimeoutManager(_BARE)
    swallowed = threading.Event()

    def swallow() -> None:
        try:
            _sleep_little()
        except TimeoutExceeded:
            swallowed.set()

    with told() as heard, pytest.raises(TimeoutExceeded):
        manager.call(swallow, "read", 0.02)

    assert swallowed.is_set()
    assert heard == [TimeoutStruck("read", "operation", 0.02)]
    assert manager.metrics["timeouts"] == 1


def test_an_exit_stack_ends_it_too() -> None:
    manager = TimeoutManager(_BARE)
    with pytest.raises(TimeoutExceeded, match="read took longer"), ExitStack() as stack:  # noqa: PT012
        stack.enter_context(manager.timeout_context("read", 0.02))
        _sleep_little()

    assert manager.metrics["active"] == 0


def test_a_forked_child_has_limits_of_its_own() -> None:
    manager = TimeoutManager(_BARE)
    _timed_out(manager, _sleep)
    child = os.fork()
    if child == 0:
        try:
            _timed_out(manager, _sleep)
            os._exit(7)
        finally:
            os._exit(1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_plain_function_that_is_late_is_told_and_shown_until_it_ends() -> None:
    ended = threading.Event()
    seen: list[str] = []

    def stubborn() -> None:
        try:
            _sleep_little()
        except TimeoutExceeded as error:
            seen.append(f"told by {error.operation}")
            wait_until(lambda: table.entries()[0].state == "stopping")
            seen.append("stopping")
            raise
        finally:
            ended.set()

    with pytest.raises(TimeoutExceeded):
        asyncio.run(TimeoutManager(_BARE).timeout_operation(stubborn, "read", 0.02))

    assert ended.wait(30)
    wait_until(lambda: len(table) == 0)
    assert seen == ["told by read", "stopping"]


def test_a_plain_function_has_the_callers_arguments_context_and_errors() -> None:
    def work(number: int, *, more: int) -> float:
        assert threading.current_thread() is not threading.main_thread()
        if number < 0:
            raise OSError("negative")
        return number + more + (deadline_left() or 0)

    async def main() -> None:
        manager = TimeoutManager(_BARE)
        assert await manager.timeout_operation(work, "read", 50, 1, more=2) > 3
        with pytest.raises(OSError, match="negative"):
            await manager.timeout_operation(work, "read", 50, -1, more=2)

    asyncio.run(main())


@pytest.mark.parametrize("in_thread", [False, True])
def test_the_error_never_comes_after_its_block(in_thread: bool) -> None:  # noqa: FBT001
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    # What Python itself calls while it collects cannot pass the error on: the block would be told again.
    gc.disable()
    try:
        ends = _in_thread(_hammer) if in_thread else _hammer()
    finally:
        sys.setswitchinterval(interval)
        gc.enable()

    assert ends["after"] == 0
    assert ends["unclean"] == 0
    assert ends["timed out"] > 0
    assert ends["active"] == 0


def _hammer() -> dict[str, int]:
    """Blocks of random lengths, with limits at about their ends."""
    chance, manager = random.Random(7), TimeoutManager(_BARE)
    ends = {"after": 0, "unclean": 0, "timed out": 0}
    ends_at = time.monotonic() + 0.5
    while time.monotonic() < ends_at:
        outer, inner, steps = chance.uniform(1e-4, 1e-3), chance.uniform(1e-4, 1e-3), chance.randrange(9000)
        try:
            try:
                with manager.timeout_context("outer", outer), manager.timeout_context("inner", inner):
                    _count(steps)
            except TimeoutExceeded as error:
                ends["timed out"] += error.operation in {"outer", "inner"}
            ends["unclean"] += INNERMOST.get() is not None
            _count(1000)
        except TimeoutExceeded:
            ends["after"] += 1
    return {**ends, "active": manager.metrics["active"]}


def _count(steps: int) -> None:
    for _ in range(steps):
        pass
