"""Events on a real Kafka: published, tried again, kept as letters, replayed, and published after all."""

# ruff: noqa: SLF001 (that a producer is shared, and has given up, shows nowhere else)
import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from redis import Redis

from orchestrator import events, keys
from orchestrator import settings as environment_settings
from orchestrator.errors import KafkaUnavailable
from orchestrator.kafka import KafkaClient
from orchestrator.kafka.sharing import shared
from orchestrator.settings import Settings
from tests.commands import omninode
from tests.integration.kafka.letters import NOBODY, letters_in
from tests.integration.relay.moved import records
from tests.processes import start_worker, wait_until
from tests.relays import start_relay
from tests.within_task import within_task

QUICK: dict[str, Any] = {"max_retry_attempts": 1, "retry_backoff_base": 0.01, "timeout_seconds": 0.1}


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@asynccontextmanager
async def _door(port: int, servers: str) -> AsyncIterator[None]:
    """Lets whoever comes to the port in to Kafka."""
    host, _, inner = servers.rpartition(":")

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kafka_reader, kafka_writer = await asyncio.open_connection(host, int(inner))
        ways = [
            asyncio.ensure_future(each) for each in (copy(reader, kafka_writer), copy(kafka_reader, writer))
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for each in ways:
            each.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        kafka_writer.close()
        writer.close()

    server = await asyncio.start_server(enter, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


def test_an_event_is_on_its_topic_with_its_key(environment: Settings, topic: str) -> None:
    async def publish() -> Any:
        client = KafkaClient()
        before = (await client.get_resilience_metrics())["connected"]
        async with client:
            outcome = await client.publish_event({"id": "order-7", "total": 12.5}, topic)
            return outcome, [before, (await client.get_resilience_metrics())["connected"]]

    outcome, connected = asyncio.run(publish())

    assert connected == [False, True]
    (record,) = records(environment, topic, 1)
    assert outcome
    assert (outcome.topic, outcome.partition, outcome.offset) == (topic, record.partition(), record.offset())
    assert (record.key(), record.value()) == (b"order-7", b'{"id":"order-7","total":12.5}')


def test_thousands_at_once_are_published_once_each_by_one_producer(environment: Settings, topic: str) -> None:
    async def publish() -> tuple[list[Any], bool]:
        one, two = KafkaClient(), KafkaClient()
        found = await asyncio.gather(*((one, two)[n % 2].publish_event(str(n), topic) for n in range(3000)))
        is_shared = one._session.connect() is two._session.connect()
        await one.disconnect()
        await two.disconnect()
        return found, is_shared

    found, is_shared = asyncio.run(publish())

    assert all(found)
    assert is_shared
    assert not shared._all
    values = [int(record.value() or b"") for record in records(environment, topic, 3000)]
    assert sorted(values) == list(range(3000))


def test_a_client_works_in_the_next_event_loop_too(environment: Settings, topic: str) -> None:
    client = KafkaClient()

    async def publish() -> bool:
        return bool(await client.publish_event("text", topic))

    assert asyncio.run(publish())
    assert asyncio.run(publish())
    asyncio.run(client.disconnect())


def test_what_kafka_never_takes_is_not_tried_again(outbox: Redis, topic: str) -> None:
    async def publish() -> Any:
        async with KafkaClient() as client:
            return await client.publish_event(b"x" * 2_000_000, topic)

    outcome = asyncio.run(publish())

    assert not outcome
    assert outcome.dead_lettered
    assert outcome.attempts == 1
    assert "EventRefused" in outcome.error
    (letter,) = letters_in(outbox)
    assert letter[b"reason"] == b"exception"


def test_where_kafka_is_away_connect_says_what_to_do(environment: Settings) -> None:
    client = KafkaClient(NOBODY, **QUICK)

    with pytest.raises(KafkaUnavailable, match=r"no Kafka answers at 127\.0\.0\.1:1 within 0\.1 s"):
        asyncio.run(client.connect())

    assert asyncio.run(client.get_resilience_metrics())["connected"] is False


def test_what_cannot_be_published_is_a_letter_with_all_that_is_known(outbox: Redis, topic: str) -> None:
    told: list[events.Event] = []
    detach = events.attach(told.append)

    async def publish() -> tuple[Any, Any, Any]:
        async with _leaving(KafkaClient(NOBODY, **QUICK)) as client:
            outcome = await client.publish_event({"password": "hush"}, topic, b"k\xff")
            return outcome, await client.get_failed_messages(), await client.get_resilience_metrics()

    outcome, failed, metrics = asyncio.run(publish())
    detach()

    (letter,) = letters_in(outbox)
    assert letter[b"id"].decode() == outcome.letter_id
    assert letter[b"raw"] == b'{"password":"hush"}'
    assert (letter[b"reason"], letter[b"attempts"]) == (b"retries_exhausted", b"2")
    assert (letter[b"queue"].decode(), letter[b"task_id"]) == (topic, b"k\\xff")
    assert letter[b"exception"] == b"orchestrator.errors.KafkaUnavailable"
    (kept,) = failed
    assert (kept["topic"], kept["letter_id"], kept["dead_lettered"]) == (topic, outcome.letter_id, True)
    assert "hush" not in kept["preview"]
    assert metrics["failure_statistics"]["total_failures"] == 1
    assert events.Retried("kafka_client") in told
    assert events.DeadLettered("kafka_client", f"{topic}.dlq") in told
    (ended,) = [each for each in told if isinstance(each, events.CallEnded)]
    assert (ended.operation, ended.success, ended.error_type) == ("publish_event", False, "KafkaUnavailable")


def test_an_open_circuit_makes_a_letter_at_once_and_the_cause_stays_known(outbox: Redis, topic: str) -> None:
    async def publish() -> Any:
        async with _leaving(KafkaClient(NOBODY, **QUICK | {"max_retry_attempts": 5})) as client:
            await client.publish_event("first", topic)
            second = await client.publish_event("second", topic)
            metrics = await client.get_resilience_metrics()
            await client.retry_failed_messages()
            return second, metrics, await client.get_failed_messages()

    outcome, metrics, failed = asyncio.run(publish())

    assert (outcome.attempts, outcome.dead_lettered) == (0, True)
    assert metrics["circuit_breaker"]["state"] == "open"
    assert metrics["connected"] is False
    assert metrics["failure_statistics"]["by_error"] == {"KafkaUnavailable": 1, "BreakerOpen": 1}
    letters = letters_in(outbox)
    assert [letter[b"reason"] for letter in letters] == [b"circuit_open", b"circuit_open"]
    is_open, away = "the circuit of 'kafka:127.0.0.1:1' is open", "Kafka has not taken it within 0.1 s"
    said = [f"KafkaUnavailable: {away}; not tried again: {is_open}"]
    said.append(f"{is_open}; its last error: KafkaUnavailable: {away}")
    assert [letter[b"message"].decode() for letter in letters] == said
    assert [each["error"] for each in failed] == [said[0], f"BreakerOpen: {said[1]}"]


@pytest.mark.parametrize(("has_topics", "goes_to"), [("true", "topics"), ("false", "index")])
def test_the_metrics_say_where_letters_go(
    monkeypatch: pytest.MonkeyPatch, outbox: Redis, topic: str, has_topics: str, goes_to: str
) -> None:
    monkeypatch.setenv("KAFKA_ENABLE_DLQ", has_topics)
    environment_settings.use(environment_settings.load())

    async def publish() -> Any:
        async with _leaving(KafkaClient(NOBODY, **QUICK | {"max_retry_attempts": 0})) as client:
            await client.publish_event("event", topic)
            return (await client.get_resilience_metrics())["dead_letter_queue"]

    told = asyncio.run(publish())

    assert (told["messages"], told["goes_to"]) == (1, goes_to)
    assert told["by_topic"] == ({f"{topic}.dlq": 1} if goes_to == "topics" else {})


def test_a_retry_that_comes_after_the_deadline_is_not_made(outbox: Redis, topic: str) -> None:
    async def publish() -> Any:
        async with _leaving(KafkaClient(NOBODY, max_retry_attempts=3, timeout_seconds=30)) as client:
            with within_task(0.2):
                return await client.publish_event("late", topic)

    outcome = asyncio.run(publish())

    assert (outcome.attempts, outcome.dead_lettered) == (1, True)
    assert [letter[b"reason"] for letter in letters_in(outbox)] == [b"deadline_exceeded"]


def test_where_redis_is_away_too_the_client_keeps_the_event_and_says_so(
    environment: Settings, topic: str
) -> None:
    async def publish() -> Any:
        client = KafkaClient(NOBODY, **QUICK | {"max_retry_attempts": 0})
        away = environment.model_copy(update={"celery_broker_url": "redis://127.0.0.1:1/0"})
        environment_settings.use(away)
        outcome = await client.publish_event("event", topic)
        failed = await client.get_failed_messages()
        environment_settings.use(environment)
        await client.disconnect()
        return outcome, failed

    outcome, failed = asyncio.run(publish())

    assert not outcome
    assert not outcome.dead_lettered
    assert "KafkaUnavailable" in outcome.error
    assert "no dead letter was written, as Redis is away" in outcome.error
    assert [each["dead_lettered"] for each in failed] == [False]


def test_failed_events_are_published_again_once_though_two_ask(
    environment: Settings, outbox: Redis, topic: str, unused_port: int
) -> None:
    async def publish() -> Any:
        patient: dict[str, Any] = {"max_retry_attempts": 0, "timeout_seconds": 2}
        async with _leaving(KafkaClient(f"127.0.0.1:{unused_port}", **patient)) as client:
            failed = await client.publish_event("event", topic)
            aio = client._session.connect()._aio
            while len(aio):
                await aio.poll(0)
                await asyncio.sleep(0.02)
            async with _door(unused_port, environment.kafka_bootstrap_servers):
                await client.connect()
                both = await asyncio.gather(client.retry_failed_messages(), client.retry_failed_messages())
            return failed, both, await client.get_failed_messages()

    failed, both, kept = asyncio.run(publish())

    assert sorted(each["attempted"] for each in both) == [0, 1]
    assert sum(each["successful"] for each in both) == 1
    assert kept == []
    assert [record.value() for record in records(environment, topic, 1)] == [b"event"]
    entries: Any = outbox.xrange(keys.outcomes())
    ((_, told),) = entries
    assert (told[b"letter_id"].decode(), told[b"outcome"]) == (failed.letter_id, b"published")


def test_letters_of_events_are_replayed_or_resolved(
    monkeypatch: pytest.MonkeyPatch,
    environment: Settings,
    outbox: Redis,
    database: psycopg.Connection[Any],
    topic: str,
) -> None:
    suffix = f".dlq-{uuid4().hex[:8]}"
    monkeypatch.setenv("KAFKA_DLQ_SUFFIX", suffix)
    environment_settings.use(environment.model_copy(update={"kafka_dlq_suffix": suffix}))

    async def publish() -> Any:
        async with _leaving(KafkaClient(NOBODY, **QUICK | {"max_retry_attempts": 0})) as client:
            looks_like_a_message = {"headers": {"task": "x", "id": "y"}, "properties": {}, "body": "e30="}
            lost = await client.publish_event(looks_like_a_message, topic, b"key")
            large = await client.publish_event(b"\x00" * 1_200_000, topic, "big")
            published = await client.publish_event("published after all", topic)
            # Its letter is not in PostgreSQL yet.
            await client._unpublished._outbox.tell(published.letter_id)
        own = {"dead_letter_topic_suffix": ".dead", "max_retry_attempts": 0}
        async with _leaving(KafkaClient(NOBODY, **QUICK | own)) as other:
            return lost, large, published, await other.publish_event("elsewhere", topic)

    lost, large, published, elsewhere = asyncio.run(publish())

    def state(letter_id: str) -> str | None:
        row = database.execute("SELECT state FROM dead_letters WHERE id = %s", (letter_id,)).fetchone()
        return row[0] if row else None

    with start_relay(), start_worker():
        wait_until(lambda: state(published.letter_id) == "resolved", 20, "the resolved letter")
        (record,) = [r for r in records(environment, topic + suffix, 3) if r.key() == b"key"]
        assert json.loads(record.value() or b"")["headers"] == {"task": "x", "id": "y"}
        shown = omninode("dead-letters", "show", lost.letter_id)
        assert "an event of" in shown.stdout
        omninode("dead-letters", "replay", lost.letter_id, "--why", "a test", "--yes")
        wait_until(lambda: state(lost.letter_id) == "resolved", 20, "the replayed letter")
        assert state(large.letter_id) == "open"
        (record,) = records(environment, f"{topic}.dead", 1)
        assert record.value() == b"elsewhere"
        wait_until(lambda: state(elsewhere.letter_id) == "open", 20, "the letter with its own suffix")

    (record,) = records(environment, topic, 1)
    assert (record.key(), record.value()) == (
        b"key",
        b'{"headers":{"task":"x","id":"y"},"properties":{},"body":"e30="}',
    )


@asynccontextmanager
async def _leaving(client: KafkaClient) -> AsyncIterator[KafkaClient]:
    """A client of a Kafka that is away: it cannot be entered."""
    try:
        yield client
    finally:
        await client.disconnect()
