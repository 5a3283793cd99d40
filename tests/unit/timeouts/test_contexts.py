"""Timeout contexts in asynchronous code, on an event loop whose time jumps."""

from __future__ import annotations

import asyncio
import contextlib
import math
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator import events
from orchestrator.errors import InvalidTimeout, TimeoutExceeded
from orchestrator.events import GraceRecovered, TimeoutNear, TimeoutStruck
from orchestrator.timeouts import TimeoutConfig, TimeoutManager, deadline, deadline_left
from orchestrator.timeouts.adaptive import Adaptive
from orchestrator.timeouts.context import Context
from orchestrator.timeouts.left import end_left
from orchestrator.timeouts.running import table
from tests.unit.timeouts.told import told, unpublished
from tests.unit.timeouts.virtual import run


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with unpublished():
        yield
    assert len(table) == 0


def _manager(grace: float = 4.0, whole: float = 1000.0, **more: Any) -> TimeoutManager:
    return TimeoutManager(TimeoutConfig(10.0, whole, grace, 0.75), **more)


async def _times_out(manager: TimeoutManager, seconds: float = 100.0) -> TimeoutExceeded:
    with pytest.raises(TimeoutExceeded) as caught:
        async with manager.timeout_context("read", 8.0):
            await asyncio.sleep(seconds)
    return caught.value


def test_it_is_cancelled_at_the_end_of_its_grace_period() -> None:
    async def main() -> tuple[TimeoutExceeded, float]:
        return await _times_out(_manager()), asyncio.get_running_loop().time()

    with told() as heard:
        error, at = run(main())

    assert at == 12.0
    assert (error.operation, error.limit_seconds, error.elapsed_seconds) == ("read", 8.0, 12.0)
    assert str(error) == "read took longer than 8 s"
    assert heard == [TimeoutNear("read", "operation", 8.0, 6.0), TimeoutStruck("read", "operation", 8.0)]


def test_what_ends_within_its_grace_period_has_recovered() -> None:
    async def main(manager: TimeoutManager) -> str:
        async with manager.timeout_context("read", 8.0) as context:
            await asyncio.sleep(9)
            return context.state

    manager = _manager()
    with told() as heard:
        assert run(main(manager)) == "grace"

    assert heard == [TimeoutNear("read", "operation", 8.0, 6.0), GraceRecovered("read", 8.0, 9.0)]
    assert manager.metrics["grace_recoveries"] == 1
    assert manager.metrics["completed"] == 1
    assert manager.metrics["timeouts"] == 0


def test_without_progressive_timeouts_there_is_neither_a_warning_nor_grace() -> None:
    manager = TimeoutManager(TimeoutConfig(10, 1000, 4, 0.75, enable_progressive_timeout=False))
    with told() as heard:
        error = run(_times_out(manager))

    assert error.elapsed_seconds == 8.0
    assert heard == [TimeoutStruck("read", "operation", 8.0)]


def test_the_global_limit_names_the_outermost_context_and_says_so() -> None:
    async def main() -> TimeoutExceeded:
        manager = _manager(whole=15)
        with pytest.raises(TimeoutExceeded) as caught:  # noqa: PT012
            async with manager.timeout_context("whole", 100):
                for _ in range(3):
                    async with manager.timeout_context("part", 10):
                        await asyncio.sleep(6)
        return caught.value

    with told() as heard:
        error = run(main())

    assert (error.operation, error.elapsed_seconds) == ("whole", 15.0)
    assert str(error) == (
        "whole and all that it called took longer than the global_timeout of 15 s "
        "(a TimeoutConfig's; where that names none, TIMEOUT_GLOBAL_DEFAULT)"
    )
    assert heard[-1] == TimeoutStruck("whole", "global", 15.0)


def test_the_deadline_of_the_task_ends_it_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Task:
        class request:  # noqa: N801 (as Celery calls it)
            id = "t1"

    monkeypatch.setattr("celery._state.get_current_task", lambda: Task)
    monkeypatch.setattr(deadline, "left_of", lambda _request: 5.0)

    async def main() -> tuple[TimeoutExceeded, float]:
        return await _times_out(_manager()), asyncio.get_running_loop().time()

    with told() as heard:
        error, at = run(main())

    assert (at, error.operation) == (5.0, "read")
    assert str(error) == "the deadline of the task was over 5 s after read had begun"
    assert heard[-1] == TimeoutStruck("read", "deadline", 5.0)


def test_a_cancellation_from_outside_stays_one_also_where_the_time_is_over() -> None:
    async def main(manager: TimeoutManager, seconds: float) -> None:
        task = asyncio.ensure_future(_times_out(manager))
        asyncio.get_running_loop().call_at(seconds, task.cancel)
        await task

    manager = _manager()
    for seconds in (3, 12):
        with pytest.raises(asyncio.CancelledError):
            run(main(manager, seconds))

    assert manager.metrics["cancelled"] == 2
    assert manager.metrics["timeouts"] == 0


def test_what_swallows_its_cancellation_is_timed_out_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    async def stubborn() -> str:
        for _ in range(4):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(100)
        return "done"

    async def main() -> tuple[TimeoutExceeded, float]:
        with pytest.raises(TimeoutExceeded) as caught:
            await _manager().timeout_operation(stubborn, "read", 8)
        return caught.value, asyncio.get_running_loop().time()

    error, at = run(main())

    assert (error.operation, at) == ("read", 15.0)
    ignored = [record.message for record in caplog.records if "ignores_cancellation" in record.message]
    assert ignored == ["ignores_cancellation operation='read' elapsed_seconds=13.0"]


def test_the_inner_one_is_named_where_both_are_over_because_it_ignored_its_end() -> None:
    async def stubborn() -> None:
        ends_at = asyncio.get_running_loop().time() + 30
        while asyncio.get_running_loop().time() < ends_at:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)
        await asyncio.sleep(100)

    async def main() -> TimeoutExceeded:
        manager = _manager(grace=0)
        with pytest.raises(TimeoutExceeded) as caught:
            async with manager.timeout_context("outer", 20), manager.timeout_context("inner", 10):
                await stubborn()
        return caught.value

    assert run(main()).operation == "inner"


def test_an_error_after_the_end_is_the_cause_of_the_timeout() -> None:
    async def main() -> TimeoutExceeded:
        with pytest.raises(TimeoutExceeded) as caught:  # noqa: PT012
            async with _manager().timeout_context("read", 8):
                try:
                    await asyncio.sleep(100)
                except asyncio.CancelledError:
                    raise OSError("connection lost") from None
        return caught.value

    assert repr(run(main()).__cause__) == "OSError('connection lost')"


def test_nothing_is_begun_in_a_context_that_has_ended() -> None:
    async def main() -> list[str]:
        manager, done = _manager(grace=0), []
        with pytest.raises(TimeoutExceeded, match="outer"):  # noqa: PT012
            async with manager.timeout_context("outer", 5):
                try:
                    await asyncio.sleep(100)
                except asyncio.CancelledError:
                    async with manager.timeout_context("inner", 5):
                        done.append("inner")
        return done

    assert run(main()) == []


@pytest.mark.parametrize("timeout", [0, -1, math.nan, math.inf, -math.inf, 1e12, "5", True, [], 0.0, 10**309])
def test_what_is_no_length_of_time_is_refused_before_anything_begins(timeout: Any) -> None:
    manager = _manager()
    with pytest.raises(InvalidTimeout, match="timeout="):
        manager.timeout_context("read", timeout)
    with pytest.raises(InvalidTimeout, match="timeout="):
        manager.call(pytest.fail, "read", timeout)

    assert manager.metrics["started"] == 0


def test_a_warning_calls_back_with_the_context_and_what_it_raises_changes_nothing() -> None:
    seen: list[str] = []

    def on_warning(context: Context) -> None:
        seen.append(f"{context.name} {context.elapsed_seconds:g} {context.left_seconds:g}")
        raise ValueError("no")

    async def later(context: Context) -> None:
        await asyncio.sleep(1)
        seen.append(f"later {context.elapsed_seconds:g}")

    async def main() -> None:
        manager = _manager(on_warning=on_warning)
        async with manager.timeout_context("one", 8.0):
            await asyncio.sleep(7)
        async with manager.timeout_context("two", 8.0, on_warning=later):
            await asyncio.sleep(7.5)

    run(main())

    assert seen == ["one 6 2", "later 7"]


def test_ten_thousand_at_once_are_each_ended() -> None:
    async def main(manager: TimeoutManager) -> list[Any]:
        async def one(number: int) -> None:
            async with manager.timeout_context("many", 5.0):
                await asyncio.sleep(1 if number % 2 else 100)

        return await asyncio.gather(*map(one, range(10_000)), return_exceptions=True)

    manager = TimeoutManager(TimeoutConfig(10, 1000, 4, enable_progressive_timeout=False))
    results = run(main(manager))

    assert sum(isinstance(result, TimeoutExceeded) for result in results) == 5_000
    assert manager.metrics["completed"] == 5_000
    assert manager.metrics["active"] == 0


def test_what_runs_is_told_with_what_it_is_nested_in() -> None:
    async def main() -> list[dict[str, Any]]:
        manager = _manager()
        async with manager.timeout_context("outer", 20.0), manager.timeout_context("inner", 8.0):
            await asyncio.sleep(7)
            told = await manager.get_active_operations()
            assert deadline_left() == 1.0
        assert deadline_left() is None
        return told

    outer, inner = run(main())

    assert outer.pop("started_at").startswith("20")
    inner.pop("started_at")
    assert outer == {
        "name": "outer",
        "elapsed_seconds": 7.0,
        "timeout_seconds": 20.0,
        "left_seconds": 13.0,
        "percent": 35.0,
        "state": "running",
        "warned": False,
        "nested_in": None,
    }
    assert inner == {
        "name": "inner",
        "elapsed_seconds": 7.0,
        "timeout_seconds": 8.0,
        "left_seconds": 1.0,
        "percent": 87.5,
        "state": "running",
        "warned": True,
        "nested_in": "outer",
    }


def test_an_adaptive_timeout_learns_of_ends_and_explains_itself() -> None:
    adaptive = Adaptive(1, 8)

    async def main(manager: TimeoutManager) -> Any:
        async with manager.timeout_context("read", adaptive) as context:
            await asyncio.sleep(3)
        with pytest.raises(TimeoutExceeded):
            async with manager.timeout_context("read", adaptive):
                await asyncio.sleep(100)
        return context.explained

    explained = run(main(_manager()))

    assert explained["source"] == "too few samples"
    assert (adaptive.explained()["samples"], adaptive.explained()["timeout_rate"]) == (2, 0.5)


def test_each_end_is_told_as_a_call_of_the_operation() -> None:
    heard: list[events.Event] = []

    async def main() -> None:
        async with _manager().timeout_context("read", 8.0):
            await asyncio.sleep(3)
        await _times_out(_manager())

    detach = events.attach(heard.append)
    run(main())
    detach()

    assert [event for event in heard if isinstance(event, events.CallEnded)] == [
        events.CallEnded("read", "timeout_context", 3.0, success=True),
        events.CallEnded("read", "timeout_context", 12.0, success=False, error_type="TimeoutExceeded"),
    ]


def test_the_counts_of_more_names_than_a_thousand_are_kept_together() -> None:
    async def main(manager: TimeoutManager) -> None:
        for number in range(1003):
            async with manager.timeout_context(f"n{number}"):
                pass

    manager = _manager()
    run(main(manager))

    assert manager.metrics["started"] == 1003
    assert len(manager.metrics["operations"]) == 1001
    assert manager.metrics["operations"]["(others)"]["completed"] == 3


def test_a_context_is_used_once() -> None:
    async def main() -> None:
        context = _manager().timeout_context("read")
        async with context:
            pass
        with pytest.raises(RuntimeError, match="used before"):
            async with context:
                pass

    run(main())


def test_what_was_begun_in_a_block_and_outlives_it_is_no_longer_limited_by_it() -> None:
    async def main() -> tuple[float | None, float | None]:
        async def beside() -> float | None:
            await asyncio.sleep(20)
            return deadline_left()

        async with _manager().timeout_context("read", 8.0):
            task, meanwhile = asyncio.ensure_future(beside()), deadline_left()
        return meanwhile, await task

    assert run(main()) == (8.0, None)


def test_what_is_left_is_the_time_to_the_limits_and_after_that_the_rest_of_the_grace_period() -> None:
    async def main() -> list[tuple[float | None, float | None]]:
        seen = []
        manager = _manager()
        async with manager.timeout_context("outer", 14.0), manager.timeout_context("inner", 11.0):
            for at in (3, 11, 12.5, 14.5):
                await asyncio.sleep(at - asyncio.get_running_loop().time())
                seen.append((deadline_left(), end_left()))
        return seen

    # The inner one's limit, the outer one's, which is due first, and the inner one's end.
    assert run(main()) == [(8.0, 12.0), (3.0, 4.0), (1.5, 2.5), (0.5, 0.5)]


def test_after_its_end_a_context_says_what_it_took() -> None:
    async def main() -> tuple[float, float, float]:
        async with _manager().timeout_context("read", 0.1) as context:
            await asyncio.sleep(0.06)
        await asyncio.sleep(50)
        return context.limit_seconds, context.elapsed_seconds, round(context.left_seconds, 6)

    assert run(main()) == (0.1, 0.06, 0.04)


def test_a_recovery_tells_the_limit_that_was_given() -> None:
    async def main() -> None:
        await asyncio.sleep(0.3)
        async with _manager().timeout_context("read", 0.01):
            await asyncio.sleep(0.02)

    with told() as heard:
        run(main())

    assert [event.limit_seconds for event in heard if isinstance(event, GraceRecovered)] == [0.01]


def test_one_that_was_entered_in_a_task_that_has_ended_is_not_told_for_ever() -> None:
    async def main() -> list[int]:
        context = _manager().timeout_context("fixture", 8.0)

        async def enter() -> None:
            await context.__aenter__()

        await asyncio.ensure_future(enter())
        shown = [len(table)]
        await asyncio.sleep(20)
        shown.append(len(table))
        with pytest.raises(TimeoutExceeded):
            await context.__aexit__(None, None, None)
        return shown

    assert run(main()) == [1, 0]


class _Wrong:
    def seconds(self) -> float:
        return math.nan

    def observe(self, duration_seconds: float, timed_out: bool) -> None:  # noqa: FBT001
        """Learns nothing."""

    def explained(self) -> dict[str, Any]:
        return {}


def test_an_adaptive_timeout_that_says_what_is_no_length_of_time_is_refused() -> None:
    with pytest.raises(InvalidTimeout, match="timeout=nan"):
        _manager().timeout_context("read", _Wrong())


def test_a_timeout_that_is_pickled_says_the_same() -> None:
    error = run(_times_out(_manager()))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 (its own)

    assert (str(again), again.operation, again.limit_seconds) == ("read took longer than 8 s", "read", 8.0)
