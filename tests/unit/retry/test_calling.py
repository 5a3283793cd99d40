import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import Retry

from orchestrator.errors import BreakerOpen, ModelUnavailable, PermanentError
from orchestrator.retry.calling import retry_with_backoff

_soon = partial(retry_with_backoff, base_seconds=0.001)


class _Failing:
    """Raises what it is given, one after the other, and then returns what it was called with."""

    def __init__(self, *errors: BaseException) -> None:
        self._errors = list(errors)
        self.calls = 0

    def sync(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return args, kwargs

    async def later(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return self.sync(*args, **kwargs)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, without waiting."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("orchestrator.retry.calling.time", SimpleNamespace(sleep=waited.append))
    monkeypatch.setattr("orchestrator.retry.calling.asyncio", SimpleNamespace(sleep=sleep))
    return waited


def test_a_call_is_tried_again_until_it_succeeds() -> None:
    failing = _Failing(ValueError(), ValueError())

    assert _soon(failing.sync, 1, word="a") == ((1,), {"word": "a"})
    assert failing.calls == 3


def test_an_async_call_is_tried_again_until_it_succeeds() -> None:
    failing = _Failing(ValueError(), ValueError())

    assert asyncio.run(_soon(failing.later, 1, word="a")) == ((1,), {"word": "a"})
    assert failing.calls == 3


def test_a_function_that_returns_an_awaitable_is_tried_again_where_it_is_awaited() -> None:
    failing = _Failing(ValueError())

    async def work() -> Any:
        return await _soon(lambda: failing.later(1))

    assert asyncio.run(work()) == ((1,), {})


def test_the_last_error_is_raised() -> None:
    failing = _Failing(*(ValueError(str(number)) for number in range(9)))

    with pytest.raises(ValueError, match="2"):
        _soon(failing.sync, max_retries=2)
    assert failing.calls == 3


@pytest.mark.parametrize(
    "error", [PermanentError("no"), KeyError("not asked for"), KeyboardInterrupt(), Retry("by hand")]
)
def test_what_no_retry_heals_or_nobody_asked_to_retry_is_raised_at_once(error: BaseException) -> None:
    failing = _Failing(error)

    with pytest.raises(type(error)):
        _soon(failing.sync, retry_on=(ValueError, PermanentError, Retry))
    assert failing.calls == 1


def test_pauses_grow_with_full_jitter_up_to_the_cap(pauses: list[float]) -> None:
    failing = _Failing(*(ValueError() for _ in range(5)))
    retry_with_backoff(failing.sync, max_retries=5, base_seconds=2.0, cap_seconds=9.0, random=Random(5))
    expected = Random(5)

    assert pauses == [expected.uniform(0.0, most) for most in (2.0, 4.0, 8.0, 9.0, 9.0)]


@pytest.mark.parametrize("error", [ModelUnavailable("busy", 40.0), BreakerOpen("gpt", 40.0)])
def test_the_pause_that_the_other_side_or_a_breaker_asks_for_is_kept(
    pauses: list[float], error: Exception
) -> None:
    retry_with_backoff(_Failing(error).sync)
    asyncio.run(retry_with_backoff(_Failing(error).later))

    assert pauses == [40.0, 40.0]


def test_an_open_circuit_is_waited_for_whatever_is_asked_to_be_tried_again(pauses: list[float]) -> None:
    failing = _Failing(BreakerOpen("gpt", 7.0))
    retry_with_backoff(failing.sync, retry_on=ConnectionError)

    assert failing.calls == 2
    assert pauses == [7.0]


def test_what_is_cancelled_while_it_waits_is_not_tried_again() -> None:
    failing = _Failing(ValueError())

    async def work() -> None:
        waiting = asyncio.ensure_future(
            retry_with_backoff(failing.later, base_seconds=1000.0, cap_seconds=1000.0, random=Random(3))
        )
        for _ in range(9):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(work())
    assert failing.calls == 1


def test_a_client_s_own_method_is_one_line_of_it() -> None:
    class Client:
        max_retry_attempts = 3
        retry_backoff_base = 0.001

        async def _retry_with_backoff(
            self, operation_func: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any
        ) -> Any:
            call = partial(operation_func, *args, **kwargs)
            return await retry_with_backoff(
                call, max_retries=self.max_retry_attempts, base_seconds=self.retry_backoff_base
            )

        async def publish(self, failing: _Failing) -> Any:
            return await self._retry_with_backoff(failing.later, "event", max_retries="its own")

    assert asyncio.run(Client().publish(_Failing(OSError()))) == (("event",), {"max_retries": "its own"})
