"""Operations behind the fleet's breakers: a timeout is a failure of the dependency."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from orchestrator import settings
from orchestrator.breaker import breaker, hub
from orchestrator.dev.stack import Addresses
from orchestrator.errors import BreakerOpen, InvalidTimeout, TimeoutExceeded
from orchestrator.policy import Policy
from orchestrator.timeouts import TimeoutConfig, TimeoutManager
from tests.servers import clean_redis
from tests.unit.timeouts.told import unpublished

_POLICY = Policy(failure_threshold=2, failure_rate=None, open_seconds=60, ramp_seconds=0)


@pytest.fixture(autouse=True, scope="module")
def alone(stack: Addresses) -> Iterator[None]:
    """One Redis for all tests of this module: each has a breaker of its own."""
    with (
        unpublished(),
        clean_redis(stack.redis_url) as url,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("REDIS_URL", url)
        settings.use(settings.load())
        yield
        hub.forget()
        settings.forget()


@pytest.fixture
def manager() -> TimeoutManager:
    return TimeoutManager(TimeoutConfig(10, 100, enable_progressive_timeout=False))


async def _hangs() -> None:
    await asyncio.sleep(100)


async def _answers(word: str) -> str:
    return word


def test_timeouts_open_the_breaker_of_the_operations_name(manager: TimeoutManager) -> None:
    guard = breaker("slow-api", _POLICY)

    async def main() -> None:
        assert await manager.timeout_with_circuit_breaker(_answers, "slow-api", 10, "yes") == "yes"
        for _ in range(2):
            with pytest.raises(TimeoutExceeded):
                await manager.timeout_with_circuit_breaker(_hangs, "slow-api", 0.02)
        with pytest.raises(BreakerOpen):
            await manager.timeout_with_circuit_breaker(_answers, "slow-api", 10, "yes")

    asyncio.run(main())

    assert guard.state.circuit == "open"
    assert manager.metrics["started"] == 3


def test_timeouts_of_synchronous_code_open_it_too(manager: TimeoutManager) -> None:
    breaker("slow-disk", _POLICY)

    def hang() -> None:
        while True:
            time.sleep(0.001)

    for _ in range(2):
        with pytest.raises(TimeoutExceeded):
            manager.call_with_circuit_breaker(hang, "slow-disk", 0.02)

    with pytest.raises(BreakerOpen):
        manager.call_with_circuit_breaker(hang, "slow-disk", 0.02)


def test_a_timeout_that_there_cannot_be_is_no_failure(manager: TimeoutManager) -> None:
    guard = breaker("api", _POLICY)
    for _ in range(3):
        with pytest.raises(InvalidTimeout):
            manager.call_with_circuit_breaker(pytest.fail, "api", -1)

    assert guard.state.circuit == "closed"
