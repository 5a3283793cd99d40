"""What a TimeoutManager is given: lengths of time in two forms, and what it says of all that is none."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from orchestrator import errors, timeouts
from orchestrator.timeouts import Adaptive, InvalidTimeout, TimeoutConfig, TimeoutManager
from tests.unit.timeouts.virtual import run

_MANAGER = TimeoutManager(TimeoutConfig(10, 100))


def test_a_timedelta_is_a_length_of_time_wherever_a_timeout_is_given() -> None:
    of = timedelta

    assert TimeoutConfig(of(minutes=1), of(hours=1), of(seconds=5)) == TimeoutConfig(60.0, 3600.0, 5.0)
    assert TimeoutConfig(grace_period=of()).grace_period == 0.0
    assert _MANAGER.timeout_context("read", of(milliseconds=1500)).limit_seconds == 1.5
    assert _MANAGER.call(lambda: "read", "read", of(seconds=2)) == "read"
    assert Adaptive(of(seconds=1), of(seconds=9)).seconds() == 9.0


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (
            {"operation_timeout": timedelta()},
            "operation_timeout=0.0 must be a number of seconds or a timedelta",
        ),
        ({"operation_timeout": timedelta(seconds=-1)}, "operation_timeout=-1.0 must be"),
        ({"global_timeout": timedelta(days=36_500)}, "at most ten years"),
        ({"grace_period": [1]}, "grace_period="),
        ({"enable_progressive_timeout": "no"}, "enable_progressive_timeout='no' must be True or False"),
        ({"enable_progressive_timeout": 0}, "enable_progressive_timeout=0 must be True or False"),
    ],
)
def test_what_a_config_cannot_hold_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidTimeout, match=named):
        TimeoutConfig(**given)


def test_a_manager_takes_nothing_but_a_config() -> None:
    given: Any = {"operation_timeout": 3}

    with pytest.raises(
        InvalidTimeout, match=r"takes a TimeoutConfig, not a dict: TimeoutManager\(TimeoutConfig\("
    ):
        TimeoutManager(given)


@pytest.mark.parametrize("timeout", [5, -1])
def test_a_coroutine_in_a_functions_place_is_closed_and_the_error_says_what_to_pass(timeout: float) -> None:
    async def fetch(_url: str) -> None:
        """Nothing."""

    async def ask(call: Callable[..., Any]) -> None:
        coroutine = fetch("url")
        with pytest.raises(
            InvalidTimeout, match=r"a function and its arguments, not what fetch\(…\) returned: "
        ):
            await call(coroutine, "read", timeout)
        # Whoever waits for it finds it closed: none is left that was never awaited.
        with pytest.raises(RuntimeError, match="cannot reuse"):
            await coroutine

    run(ask(_MANAGER.timeout_operation))
    run(ask(_MANAGER.timeout_with_circuit_breaker))


def test_what_is_no_function_is_refused_before_anything_begins() -> None:
    given: Any = None
    for call in (_MANAGER.call, _MANAGER.call_with_circuit_breaker):
        with pytest.raises(InvalidTimeout, match="'write' needs a function and its arguments, not NoneType"):
            call(given, "write", 5)

    assert "write" not in _MANAGER.metrics["operations"]


def test_what_is_caught_and_given_is_imported_from_one_place() -> None:
    for name in ("TimeoutExceeded", "DeadlineExceeded", "InvalidDeadline", "InvalidTimeout"):
        assert getattr(timeouts, name) is getattr(errors, name)
    assert set(timeouts.__all__) >= {"Adaptive", "TimeoutConfig", "TimeoutManager", "deadline_left"}
    assert asyncio.TimeoutError in timeouts.TimeoutExceeded.__mro__
