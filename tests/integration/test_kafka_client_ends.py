"""What becomes of events where something ends in between: the loop, the client, the producer, or Redis."""

# ruff: noqa: SLF001 (a producer that fails, and a Redis that takes one entry of two, can be had nowhere else)
import asyncio
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis
from redis.exceptions import RedisError

from orchestrator import broker, keys
from orchestrator.kafka import KafkaClient, PublishOutcome
from orchestrator.kafka.letters import Outbox
from orchestrator.settings import Settings

NOBODY = "127.0.0.1:1"


@pytest.fixture
def topic() -> str:
    return f"events-{uuid4().hex[:8]}"


@pytest.fixture
def outbox(environment: Settings) -> Any:
    with broker.client(environment) as client:
        yield client


def _letters(client: Redis) -> list[dict[bytes, bytes]]:
    entries: Any = client.xrange(keys.outbox())
    return [fields for _, fields in entries]


def _last_words(client: KafkaClient, others: int = 0) -> PublishOutcome | None:
    """What became of an event that is published as the loop ends; None where it was waited for in vain."""
    told: list[PublishOutcome] = []

    async def works(is_ready: asyncio.Event) -> None:
        is_ready.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    told.append(await client.publish_event("last"))
            raise

    async def main() -> None:
        await client.publish_event("first")
        is_ready = asyncio.Event()
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(works(is_ready))]
        await is_ready.wait()
        tasks += [asyncio.create_task(client.publish_event("other")) for _ in range(others)]
        await asyncio.sleep(0)
        # The end: this cancels all that is there, the client's own tasks as well.

    asyncio.run(main())
    asyncio.run(client.disconnect())
    return told[0] if told else None


def test_an_event_is_published_also_while_the_loop_ends(environment: Settings, topic: str) -> None:
    outcome = _last_words(KafkaClient(default_topic=topic), others=1)

    assert outcome
    assert outcome.offset is not None


def test_an_event_becomes_a_letter_also_while_the_loop_ends(outbox: Redis, topic: str) -> None:
    client = KafkaClient(NOBODY, max_retry_attempts=0, timeout_seconds=0.1, default_topic=topic)

    outcome = _last_words(client, others=20)

    assert outcome is not None
    assert outcome.dead_lettered
    assert outcome.letter_id.encode() in {letter[b"id"] for letter in _letters(outbox)}


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
    assert [letter[b"id"].decode() for letter in _letters(outbox)] == [outcome.letter_id]


def test_an_event_whose_producer_fails_is_published_by_another_one(
    monkeypatch: pytest.MonkeyPatch, environment: Settings, topic: str
) -> None:
    async def fail(_timeout: float) -> int:
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
    assert len(_letters(outbox)) == 3
