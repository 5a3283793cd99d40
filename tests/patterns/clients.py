"""Clients of Kafka that publish one event, also where there is no Kafka."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from orchestrator.breaker import breaker
from orchestrator.breaker.builtin import KAFKA
from orchestrator.breaker.hub import hub
from orchestrator.kafka import KafkaClient, PublishOutcome
from tests.processes import wait_until

EVENT = {"number": 7}
# Fails at once where there is no Kafka.
QUICK: dict[str, Any] = {"timeout_seconds": 0.1, "max_retry_attempts": 0, "retry_backoff_base": 0.01}


@asynccontextmanager
async def client(**options: Any) -> AsyncIterator[KafkaClient]:
    """One that has not asked whether Kafka answers."""
    made = KafkaClient(**options)
    try:
        yield made
    finally:
        await made.disconnect()


def using(work: Callable[[KafkaClient], Awaitable[Any]], **options: Any) -> Any:
    """What the work returns."""

    async def main() -> Any:
        async with client(**options) as made:
            return await work(made)

    return asyncio.run(main())


def published(topic: str, **options: Any) -> PublishOutcome:
    """What becomes of one event."""
    outcome = using(lambda made: made.publish_event(EVENT, topic), **options)
    assert isinstance(outcome, PublishOutcome)
    return outcome


def is_published_soon(**options: Any) -> bool:
    """Whether publishing has ended, well or not, in less than a second."""

    async def main() -> bool:
        # It is not disconnected, which would wait for what is under way.
        publishing = asyncio.create_task(KafkaClient(**options).publish_event(EVENT, "orders"))
        done, _ = await asyncio.wait([publishing], timeout=0.8)
        publishing.cancel()
        return bool(done)

    return asyncio.run(main())


@contextmanager
def kafka_is_left_alone() -> Iterator[None]:
    """Until the end of the block nothing is published, as somebody has isolated Kafka's circuit."""
    guard = breaker(KAFKA)
    guard.permit().end()
    hub().store.control(KAFKA, "isolate", who="a test", why="Kafka is to be left alone")
    wait_until(lambda: guard.state.mode == "isolated")
    try:
        yield
    finally:
        hub().store.control(KAFKA, "reset", who="a test", why="it is over")
        wait_until(lambda: guard.state.mode != "isolated")
