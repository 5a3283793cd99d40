"""The document's timeout manager: its calls, the arguments of its configuration, and what is said of it."""

import asyncio
from contextlib import suppress
from typing import Any

import httpx2
import pytest

from orchestrator import events
from orchestrator.breaker import breaker
from orchestrator.errors import BreakerOpen, TimeoutExceeded
from orchestrator.settings import Settings
from orchestrator.timeouts import TimeoutConfig, TimeoutManager
from tests.patterns.proofs import proves
from tests.patterns.web import Web

Told = list[events.Event]

_AT_ONCE = TimeoutConfig(operation_timeout=60, global_timeout=60, grace_period=0, warning_threshold=1)


@pytest.fixture(autouse=True)
def _servers(environment: Settings) -> None:
    """A circuit that opens is shared in Redis."""


async def _within(manager: TimeoutManager, *names: str, seconds: float | None = None) -> None:
    """Hang in contexts of these names, each in the one before it; the last one has the timeout."""
    name, *inner = names
    async with manager.timeout_context(name, 60 if inner else seconds):
        if inner:
            await _within(manager, *inner, seconds=seconds)
        else:
            await asyncio.sleep(60)


def _struck(manager: TimeoutManager, *names: str, timeout: float | None = None) -> TimeoutExceeded:
    with pytest.raises(TimeoutExceeded) as caught:
        asyncio.run(_within(manager, *names, seconds=timeout))
    return caught.value


async def _after(seconds: float, answer: str = "done") -> str:
    await asyncio.sleep(seconds)
    return answer


def _taking(manager: TimeoutManager, seconds: float, timeout: float) -> str:
    answer: str = asyncio.run(manager.timeout_operation(_after, "operation", timeout, seconds))
    return answer


@proves("call: TimeoutManager")
def test_a_manager_works_to_the_configuration_that_it_is_given(item: str) -> None:
    error = _struck(TimeoutManager(TimeoutConfig(operation_timeout=0.02, grace_period=0)), "operation")

    assert (error.operation, error.limit_seconds) == ("operation", 0.02)


@proves("call: TimeoutManager.timeout_context")
def test_what_is_done_in_a_context_is_cancelled_when_its_time_is_over(item: str) -> None:
    error = _struck(TimeoutManager(_AT_ONCE), "operation", timeout=0.02)

    assert (error.operation, error.limit_seconds) == ("operation", 0.02)


@proves("call: TimeoutManager.timeout_operation")
def test_a_function_is_called_with_its_arguments_and_cancelled_when_its_time_is_over(item: str) -> None:
    manager = TimeoutManager(_AT_ONCE)

    assert asyncio.run(manager.timeout_operation(_after, "quick", 60, 0, answer="its own")) == "its own"
    with pytest.raises(TimeoutExceeded):
        _taking(manager, 60, timeout=0.02)


@proves("call: TimeoutManager.timeout_with_circuit_breaker")
def test_a_function_whose_time_is_over_again_and_again_is_not_called_any_more(item: str, web: Web) -> None:
    manager = TimeoutManager(_AT_ONCE)
    web.answers.clear()

    async def main() -> None:
        for _ in range(50):
            try:
                await manager.timeout_with_circuit_breaker(web.call, "api that hangs", 0.1, "data")
            except TimeoutExceeded:
                continue
            except BreakerOpen:
                return

    asyncio.run(main())
    called = web.calls
    with pytest.raises(BreakerOpen):
        asyncio.run(manager.timeout_with_circuit_breaker(web.call, "api that hangs", 0.1, "data"))

    assert 0 < called < 50
    assert web.calls == called


@proves("call: TimeoutManager.get_active_operations")
def test_what_runs_is_listed_while_it_runs(item: str) -> None:
    manager = TimeoutManager(_AT_ONCE)

    async def main() -> None:
        async with manager.timeout_context("outer", 30), manager.timeout_context("inner", 20):
            running = await manager.get_active_operations()
        assert [each["name"] for each in running] == ["outer", "inner"]
        assert await manager.get_active_operations() == []

    asyncio.run(main())


@proves("call: TimeoutConfig")
def test_a_configuration_that_there_cannot_be_is_refused(item: str) -> None:
    with pytest.raises(ValueError, match="warning_threshold=80"):
        TimeoutConfig(warning_threshold=80)


@proves("argument: TimeoutConfig(operation_timeout)")
def test_operation_timeout_is_the_limit_of_an_operation_that_names_none(item: str) -> None:
    manager = TimeoutManager(TimeoutConfig(operation_timeout=0.03, grace_period=0))

    assert _struck(manager, "outer", "inner").limit_seconds == 0.03


@proves("argument: TimeoutConfig(global_timeout)")
def test_global_timeout_bounds_all_that_is_done_within_an_operation(item: str, told: Told) -> None:
    manager = TimeoutManager(TimeoutConfig(global_timeout=0.03, grace_period=0))

    error = _struck(manager, "outer", "inner", timeout=60)

    assert error.operation == "outer"
    assert events.TimeoutStruck("outer", "global", 0.03) in told


@proves("argument: TimeoutConfig(grace_period)")
def test_grace_period_is_how_much_longer_an_operation_may_go_on(item: str) -> None:
    def taking(grace_period: float) -> str:
        return _taking(TimeoutManager(TimeoutConfig(grace_period=grace_period)), 0.1, timeout=0.02)

    assert taking(grace_period=30) == "done"
    with pytest.raises(TimeoutExceeded):
        taking(grace_period=0.01)


def _warnings(told: Told) -> list[events.TimeoutNear]:
    return [each for each in told if isinstance(each, events.TimeoutNear)]


@proves("argument: TimeoutConfig(warning_threshold)")
def test_warning_threshold_is_the_part_of_the_timeout_after_which_it_is_warned(item: str, told: Told) -> None:
    def taking(warning_threshold: float) -> None:
        config = TimeoutConfig(grace_period=30, warning_threshold=warning_threshold)
        _taking(TimeoutManager(config), 0.1, timeout=4)

    taking(warning_threshold=1)
    assert _warnings(told) == []
    taking(warning_threshold=0.005)
    assert [(each.component, round(each.limit_seconds, 3)) for each in _warnings(told)] == [
        ("operation", 4.0)
    ]


@proves("argument: TimeoutConfig(enable_progressive_timeout)")
def test_without_enable_progressive_timeout_there_is_no_warning_and_no_grace(item: str, told: Told) -> None:
    config = TimeoutConfig(grace_period=30, warning_threshold=0.1, enable_progressive_timeout=False)

    with pytest.raises(TimeoutExceeded):
        _taking(TimeoutManager(config), 60, timeout=0.05)

    assert [each for each in told if not isinstance(each, events.CallEnded)] == [
        events.TimeoutStruck("operation", "operation", 0.05)
    ]


@proves("claim: 3 Features: Configurable operation and global timeouts")
def test_the_shorter_of_an_operation_s_and_the_global_timeout_strikes(item: str) -> None:
    def limit(operation_timeout: float, global_timeout: float) -> float:
        manager = TimeoutManager(TimeoutConfig(operation_timeout, global_timeout, grace_period=0))
        return _struck(manager, "operation").limit_seconds

    assert limit(operation_timeout=0.02, global_timeout=60) == 0.02
    assert limit(operation_timeout=60, global_timeout=0.03) == 0.03


@proves("claim: 3 Features: Progressive timeout warnings (at 80% threshold)")
def test_a_warning_comes_before_the_limit_at_80_per_cent(item: str, told: Told) -> None:
    with pytest.raises(TimeoutExceeded):
        _taking(TimeoutManager(TimeoutConfig(grace_period=0)), 60, timeout=0.1)

    assert [type(each) for each in told][:2] == [events.TimeoutNear, events.TimeoutStruck]
    assert 0.08 <= _warnings(told)[0].elapsed_seconds < 0.1


@proves("claim: 3 Features: Grace period recovery attempts")
def test_a_finish_within_the_grace_period_is_a_recovery(item: str, told: Told) -> None:
    assert _taking(TimeoutManager(TimeoutConfig(grace_period=30)), 0.05, timeout=0.01) == "done"

    (recovered,) = [each for each in told if isinstance(each, events.GraceRecovered)]
    assert (recovered.component, round(recovered.limit_seconds, 3)) == ("operation", 0.01)


@proves("claim: 3 Features: Nested timeout context support")
def test_an_inner_context_does_not_outlive_the_outer_one_which_is_named(item: str) -> None:
    manager = TimeoutManager(_AT_ONCE)

    async def main() -> None:
        async with manager.timeout_context("outer", 0.03):
            await _within(manager, "inner", seconds=60)

    with pytest.raises(TimeoutExceeded) as caught:
        asyncio.run(main())

    assert (caught.value.operation, caught.value.limit_seconds) == ("outer", 0.03)


@proves("claim: 3 Features: Circuit breaker integration")
def test_the_circuit_of_an_operation_is_the_breaker_of_its_name(item: str, web: Web) -> None:
    web.failures = 50

    async def main() -> None:
        for _ in range(50):
            with suppress(httpx2.HTTPError):
                await TimeoutManager(_AT_ONCE).timeout_with_circuit_breaker(web.call, "api that fails", 9)

    with pytest.raises(BreakerOpen):
        asyncio.run(main())
    with pytest.raises(BreakerOpen), breaker("api that fails"):
        pass


@proves("claim: 3 Features: Comprehensive timeout metrics")
def test_what_became_of_operations_is_counted(item: str) -> None:
    manager = TimeoutManager(TimeoutConfig(grace_period=0.3))

    async def main() -> dict[str, Any]:
        for seconds in (0.0, 0.1, 60.0):
            with suppress(TimeoutExceeded):
                await manager.timeout_operation(_after, "order", 0.05, seconds)
        return await manager.get_metrics()

    counted = asyncio.run(main())["operations"]["order"]

    assert (counted["started"], counted["completed"], counted["failed"]) == (3, 2, 1)
    assert (counted["grace_recoveries"], counted["timeouts"], counted["warnings"]) == (1, 1, 2)
