"""What contexts have to do with those around them: whose end it is, who is told, and what is counted."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.errors import TimeoutExceeded
from orchestrator.timeouts import TimeoutConfig, TimeoutManager
from orchestrator.timeouts.running import table
from tests.unit.timeouts.told import unpublished
from tests.unit.timeouts.virtual import run
from tests.within_task import within_task


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with unpublished():
        yield
    assert len(table) == 0


def _strict(whole: float = 1000.0) -> TimeoutManager:
    return TimeoutManager(TimeoutConfig(10.0, whole, enable_progressive_timeout=False))


def test_within_the_one_that_ends_a_block_is_left_by_its_cancellation() -> None:
    async def main() -> list[Any]:
        manager = _strict()
        seen: list[Any] = []
        with pytest.raises(TimeoutExceeded, match="outer"):  # noqa: PT012
            async with manager.timeout_context("outer", 5):
                try:
                    async with manager.timeout_context("inner", 8) as inner:
                        try:
                            await asyncio.sleep(100)
                        finally:
                            seen.append(inner.state)
                except Exception as error:
                    seen.append(error)
        return seen

    assert run(main()) == ["stopping"]


async def _beside(manager: TimeoutManager) -> None:
    await asyncio.sleep(2)
    async with manager.timeout_context("inner", 100):
        await asyncio.sleep(100)


def test_what_runs_in_a_task_of_its_own_is_told_there_and_names_the_one_around_it() -> None:
    async def main() -> None:
        manager = _strict()
        async with manager.timeout_context("outer", 5):
            child = asyncio.ensure_future(_beside(manager))
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(100)
            await child

    with pytest.raises(TimeoutExceeded) as caught:
        run(main())

    assert (caught.value.operation, caught.value.elapsed_seconds) == ("outer", 5.0)


def test_in_a_task_of_its_own_a_cancellation_from_outside_stays_one_while_the_one_around_it_is_told() -> None:
    async def stubborn(manager: TimeoutManager) -> None:
        async with manager.timeout_context("inner", 100):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(100)
            await asyncio.sleep(100)

    async def main(manager: TimeoutManager) -> Any:
        with contextlib.suppress(TimeoutExceeded):
            async with manager.timeout_context("outer", 5):
                child = asyncio.ensure_future(stubborn(manager))
                asyncio.get_running_loop().call_at(5.5, child.cancel)
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(100)
                (error,) = await asyncio.gather(child, return_exceptions=True)
        return type(error)

    manager = _strict()
    assert run(main(manager)) is asyncio.CancelledError
    assert manager.metrics["operations"]["inner"]["cancelled"] == 1


def test_one_whose_surrounding_one_was_left_before_it_is_told_by_itself() -> None:
    async def main() -> float:
        manager = _strict()
        outer, inner = manager.timeout_context("outer", 5), manager.timeout_context("inner", 8)
        with pytest.raises(TimeoutExceeded):  # noqa: PT012
            async with contextlib.AsyncExitStack() as stack:
                await outer.__aenter__()
                await stack.enter_async_context(inner)
                await outer.__aexit__(None, None, None)
                await asyncio.sleep(100)
        return asyncio.get_running_loop().time()

    assert run(main()) == 5.0


@pytest.mark.parametrize(
    ("timeout", "words"),
    [
        (8, "read and all that it called took longer than the global_timeout of 8 s"),
        (5, "read took longer than 5 s"),
    ],
)
def test_what_ends_together_with_all_that_may_be_done_is_ended_by_that(timeout: float, words: str) -> None:
    async def main() -> str:
        with pytest.raises(TimeoutExceeded) as caught:
            async with _strict(whole=8).timeout_context("read", timeout):
                await asyncio.sleep(100)
        return str(caught.value)

    assert run(main()).startswith(words)


def test_an_inner_one_is_shown_with_the_task_that_it_runs_in_and_its_deadline() -> None:
    manager = _strict()
    with within_task(60) as request, manager.timeout_context("outer", 5), manager.timeout_context("inner", 5):
        outer, inner = table.entries()

    assert (outer.task_id, inner.task_id) == (request.id or "", request.id or "")
    assert inner.deadline is not None
    assert inner.deadline == outer.deadline


def test_in_synchronous_code_only_the_one_that_ended_counts_a_timeout() -> None:
    manager = _strict()
    with (  # noqa: PT012
        pytest.raises(TimeoutExceeded),
        manager.timeout_context("outer", 0.02),
        manager.timeout_context("inner", 50),
    ):
        while True:
            time.sleep(0.001)

    told = manager.metrics["operations"]
    assert (told["outer"]["timeouts"], told["inner"]["timeouts"]) == (1, 0)
    assert (told["outer"]["failed"], told["inner"]["failed"]) == (1, 1)
