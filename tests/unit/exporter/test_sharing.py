"""One reading serves all who ask at the same time."""

import asyncio
from collections.abc import Callable
from threading import Event

import pytest

from monitoring.exporter.sharing import Shared


def test_many_who_ask_at_once_share_one_answer() -> None:
    found: list[int] = []
    released = Event()

    def find() -> int:
        found.append(1)
        released.wait(10)
        return len(found)

    async def ask() -> list[int]:
        shared: Shared[int] = Shared(1.0)
        waiting = [asyncio.ensure_future(shared.get(find, 10)) for _ in range(20)]
        await asyncio.sleep(0)
        released.set()
        return await asyncio.gather(*waiting)

    assert asyncio.run(ask()) == [1] * 20


def test_an_answer_is_good_for_a_moment_only() -> None:
    now, found = [0.0], iter(range(10))

    async def ask() -> list[int]:
        shared: Shared[int] = Shared(1.0, lambda: now[0])
        answers = []
        for moment in (0.0, 0.9, 1.0, 1.5, 2.0):
            now[0] = moment
            answers.append(await shared.get(lambda: next(found), 10))
        return answers

    assert asyncio.run(ask()) == [0, 0, 1, 1, 2]


def test_one_that_takes_too_long_is_not_begun_again_beside_itself_and_serves_who_asks_later() -> None:
    found: list[int] = []
    released = Event()

    def find() -> str:
        found.append(1)
        released.wait(10)
        return "late"

    async def ask() -> str:
        shared: Shared[str] = Shared(1.0)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await shared.get(find, 0.01)
        released.set()
        return await shared.get(find, 10)

    assert asyncio.run(ask()) == "late"
    assert found == [1]


def test_an_error_is_everybody_s_and_the_next_one_is_asked_anew() -> None:
    now = [0.0]

    def fail() -> int:
        raise ConnectionError

    async def ask(shared: Shared[int], find: Callable[[], int]) -> int:
        return await shared.get(find, 10)

    async def both() -> int:
        shared: Shared[int] = Shared(1.0, lambda: now[0])
        for _ in range(2):
            with pytest.raises(ConnectionError):
                await ask(shared, fail)
        now[0] = 1.0
        return await ask(shared, lambda: 7)

    assert asyncio.run(both()) == 7
