"""What becomes of events where something ends in between: the loop, the client, the producer, or Redis."""

# ruff: noqa: SLF001 (a producer that fails, and a Redis that takes one entry of two, can be had nowhere else)
import asyncio
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from orchestrator import keys
from orchestrator.kafka import KafkaClient, PublishOutcome
from orchestrator.kafka.letters import Outbox
from orchestrator.settings import Settings
from tests.integration.kafka.letters import NOBODY, letters_in


async def _though_all_tasks_are_cancelled(client: KafkaClient, number: int) -> list[PublishOutcome]:
    """Of so many events, while whoever ends the loop cancels its tasks: theirs are the last to go on."""
    publishing = [asyncio.create_task(client.publish_event(f"event {n}")) for n in range(number)]
    async with asyncio.timeout(10):
        while not all(task.done() for task in publishing):
            for other in asyncio.all_tasks() - {*publishing, asyncio.current_task()}:
                other.cancel()
            await asyncio.sleep(0.1)
    return [task.result() for task in publishing]


def test_an_event_is_published_also_while_the_loop_ends(environment: Settings, topic: str) -> None:
    async def main() -> list[PublishOutcome]:
        async with KafkaClient(default_topic=topic) as client:
            return await _though_all_tasks_are_cancelled(client, 2)

    assert all(asyncio.run(main()))


def test_an_event_becomes_a_letter_also_while_the_loop_ends(outbox: Redis, topic: str) -> None:
    async def main() -> list[PublishOutcome]:
        client = KafkaClient(NOBODY, max_retry_attempts=0, timeout_seconds=0.1, default_topic=topic)
        try:
            return await _though_all_tasks_are_cancelled(client, 20)
        finally:
            await client.disconnect()

    outcomes = asyncio.run(main())

    assert [outcome.dead_lettered for outcome in outcomes] == [True] * 20
    assert {letter[b"id"].decode() for letter in letters_in(outbox)} == {each.letter_id for each in outcomes}


def test_disconnecting_begins_no_attempt_anew(outbox: Redis, topic: str) -> None:
    client = KafkaClient(NOBODY, max_retry_attempts=50, retry_backoff_base=1000, timeout_seconds=0.1)

    async def main() -> PublishOutcome:
        publishing = asyncio.create_task(client.publish_event("event", topic))
        while not client._session._naps and not publishing.done():  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.01)
        async with asyncio.timeout(10):
            await client.disconnect()
        assert publishing.done()
        return publishing.result()

    outcome = asyncio.run(main())

    assert not outcome
    assert outcome.attempts < 3
    assert [letter[b"id"].decode() for letter in letters_in(outbox)] == [outcome.letter_id]


def test_an_event_whose_producer_fails_is_published_by_another_one(
    monkeypatch: pytest.MonkeyPatch, environment: Settings, topic: str
) -> None:
    async def fail(_timeout: float = -1) -> int:
        raise RuntimeError("no more")

    async def main() -> PublishOutcome:
        async with KafkaClient(retry_backoff_base=0.01) as client:
            monkeypatch.setattr(client._session.connect()._aio, "flush", fail)
            async with asyncio.timeout(10):
                return await client.publish_event("event", topic)

    outcome = asyncio.run(main())

    assert outcome
    assert outcome.attempts == 2


def test_an_entry_that_redis_refuses_takes_no_other_one_with_it(outbox: Redis, topic: str) -> None:
    outbox.set(keys.outcomes(), "no stream")

    async def main() -> list[Any]:
        adding = Outbox()
        # The first one is written alone, what comes meanwhile together.
        found = await asyncio.gather(
            *(adding.write({"id": f"{topic}-{number}", "queue": topic, "raw": b"x"}) for number in range(3)),
            adding.tell("a letter"),
            return_exceptions=True,
        )
        adding.close()
        return found

    *written, told = asyncio.run(main())

    assert written == [None, None, None]
    assert isinstance(told, RedisError)
    assert len(letters_in(outbox)) == 3


def test_who_is_cancelled_takes_no_other_event_with_it(environment: Settings, topic: str) -> None:
    async def main() -> list[PublishOutcome]:
        async with KafkaClient(timeout_seconds=3) as client:
            await client.publish_event("first", f"{topic}-0")
            publishing = [
                asyncio.create_task(client.publish_event("event", f"{topic}-{n % 3}")) for n in range(1200)
            ]
            await asyncio.sleep(0)
            for task in publishing[600:]:
                task.cancel()
            return await asyncio.gather(*publishing[:600])

    outcomes = asyncio.run(main())

    assert {(bool(each), each.attempts) for each in outcomes} == {(True, 1)}
