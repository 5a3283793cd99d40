"""The document's Kafka client: its calls, their arguments, and what is said of dead letters and retries."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Message

from orchestrator import events
from orchestrator.errors import KafkaUnavailable
from orchestrator.kafka import KafkaClient
from orchestrator.settings import Settings
from tests.integration.relay.moved import records
from tests.patterns.clients import (
    EVENT,
    QUICK,
    client,
    is_published_soon,
    kafka_is_left_alone,
    published,
    using,
)
from tests.patterns.conftest import Away
from tests.patterns.letters import letters
from tests.patterns.proofs import proves

Told = list[events.Event]


@pytest.fixture
def topic() -> str:
    """One that nobody else uses."""
    return f"orders-{uuid4().hex[:8]}"


@pytest.fixture(autouse=True)
def _servers(environment: Settings) -> None:
    """Letters are in Redis."""


def _record(environment: Settings, topic: str) -> Message:
    (record,) = records(environment, topic, 1)
    return record


@proves("call: KafkaClient")
def test_a_client_without_arguments_publishes_to_the_kafka_of_the_settings(
    item: str, environment: Settings, topic: str
) -> None:
    assert published(topic)
    assert _record(environment, topic).value() == b'{"number":7}'


@proves("argument: KafkaClient(bootstrap_servers)")
def test_bootstrap_servers_are_where_it_publishes(
    item: str, environment: Settings, topic: str, away: Away
) -> None:
    assert not published(topic, bootstrap_servers=away(), **QUICK)
    assert published(topic, bootstrap_servers=environment.kafka_bootstrap_servers)


@proves("argument: KafkaClient(enable_dead_letter_queue)")
def test_without_enable_dead_letter_queue_what_cannot_be_published_is_only_told(
    item: str, environment: Settings, topic: str, away: Away
) -> None:
    def letters_of(**options: Any) -> int:
        before = len(letters(environment))
        outcome = published(topic, bootstrap_servers=away(), **QUICK, **options)
        written = len(letters(environment)) - before
        assert outcome.dead_lettered is (written == 1)
        return written

    assert letters_of(enable_dead_letter_queue=True) == 1
    assert letters_of(enable_dead_letter_queue=False) == 0


def _topics(told: Told) -> list[str]:
    return [each.topic for each in told if isinstance(each, events.DeadLettered)]


@proves("argument: KafkaClient(dead_letter_topic_suffix)")
def test_dead_letter_topic_suffix_is_what_a_letter_s_topic_endsusing(
    item: str, topic: str, away: Away, told: Told
) -> None:
    published(topic, bootstrap_servers=away(), dead_letter_topic_suffix=".dead", **QUICK)

    assert _topics(told) == [f"{topic}.dead"]


@proves("argument: KafkaClient(max_retry_attempts)")
def test_max_retry_attempts_is_how_often_publishing_is_tried_again(item: str, topic: str, away: Away) -> None:
    def attempts(retries: int) -> int:
        options = QUICK | {"max_retry_attempts": retries, "bootstrap_servers": away()}
        return published(topic, **options).attempts

    assert (attempts(0), attempts(2)) == (1, 3)


@proves("argument: KafkaClient(retry_backoff_base)")
def test_retry_backoff_base_is_how_long_the_first_retry_may_wait(item: str, away: Away) -> None:
    def ends_soon(base: float) -> bool:
        options = QUICK | {"max_retry_attempts": 1, "retry_backoff_base": base}
        return is_published_soon(bootstrap_servers=away(), **options)

    assert ends_soon(0.01)
    # Full jitter may choose a short one; not three times.
    assert not all(ends_soon(30.0) for _ in range(3))


@proves("argument: KafkaClient(timeout_seconds)")
def test_timeout_seconds_is_how_long_an_attempt_waits_for_a_broker(item: str, silent: str) -> None:
    def ends_soon(timeout_seconds: float) -> bool:
        options = QUICK | {"timeout_seconds": timeout_seconds}
        return is_published_soon(bootstrap_servers=silent, **options)

    assert ends_soon(0.2)
    assert not ends_soon(60)


@proves("call: KafkaClient.connect")
def test_connecting_says_when_there_is_no_kafka(item: str, away: Away) -> None:
    with pytest.raises(KafkaUnavailable):
        asyncio.run(KafkaClient(bootstrap_servers=away(), timeout_seconds=0.1).connect())


@proves("call: KafkaClient.publish_event")
def test_an_event_is_true_when_it_is_on_its_topic_and_says_where(
    item: str, environment: Settings, topic: str
) -> None:
    outcome = published(topic)
    record = _record(environment, topic)

    assert outcome
    assert (outcome.topic, outcome.partition, outcome.offset) == (topic, record.partition(), record.offset())
    assert (outcome.attempts, outcome.dead_lettered) == (1, False)


@proves("argument: KafkaClient.publish_event(event)")
def test_event_is_what_is_published_as_json(item: str, environment: Settings, topic: str) -> None:
    using(lambda client: client.publish_event(event={"order": "ä"}, topic=topic))

    assert _record(environment, topic).value() == '{"order":"ä"}'.encode()


@proves("argument: KafkaClient.publish_event(topic)")
def test_topic_is_where_it_goes_and_without_one_the_event_says_it(
    item: str, environment: Settings, topic: str
) -> None:
    using(lambda client: client.publish_event({"topic": topic}))
    using(lambda client: client.publish_event({"topic": topic}, topic=f"{topic}-other"))

    assert len(records(environment, topic, 1)) == 1
    assert len(records(environment, f"{topic}-other", 1)) == 1


@proves("argument: KafkaClient.publish_event(key)")
def test_key_is_the_record_s_key(item: str, environment: Settings, topic: str) -> None:
    using(lambda client: client.publish_event(EVENT, topic, key="order-7"))

    assert _record(environment, topic).key() == b"order-7"


async def _fail(client: KafkaClient, topic: str, times: int = 1) -> None:
    for _ in range(times):
        await client.publish_event(EVENT, topic)


@proves("call: KafkaClient.get_resilience_metrics")
def test_the_metrics_count_what_became_of_events(item: str, topic: str, away: Away) -> None:
    async def work(client: KafkaClient) -> Any:
        await _fail(client, topic)
        return await client.get_resilience_metrics()

    counted = using(work, bootstrap_servers=away(), **QUICK)

    assert counted["failure_statistics"]["total_failures"] == 1


@proves("result: get_resilience_metrics()['failure_statistics']['total_failures']")
def test_total_failures_are_the_events_that_were_notpublished(item: str, topic: str, away: Away) -> None:
    async def work(client: KafkaClient) -> list[int]:
        found = []
        for _ in range(3):
            counted = await client.get_resilience_metrics()
            found.append(counted["failure_statistics"]["total_failures"])
            await _fail(client, topic)
        return found

    assert using(work, bootstrap_servers=away(), **QUICK) == [0, 1, 2]


@proves("call: KafkaClient.get_failed_messages")
def test_failed_messages_are_listed_with_their_topic_and_their_error(
    item: str, topic: str, away: Away
) -> None:
    async def work(client: KafkaClient) -> Any:
        await _fail(client, topic)
        return await client.get_failed_messages()

    (failed,) = using(work, bootstrap_servers=away(), **QUICK)

    assert failed["topic"] == topic
    assert failed["error"]


def _failed_and_retried(topic: str) -> dict[str, Any]:
    """What is told of an event that is published again when Kafka is not left alone any more."""

    async def main() -> dict[str, Any]:
        async with client() as made:
            with kafka_is_left_alone():
                await made.publish_event(EVENT, topic)
                assert (await made.retry_failed_messages())["successful"] == 0
            return {"stats": await made.retry_failed_messages(), "left": await made.get_failed_messages()}

    return asyncio.run(main())


@proves("call: KafkaClient.retry_failed_messages")
def test_failed_messages_are_published_again_and_are_none_any_more(
    item: str, environment: Settings, topic: str
) -> None:
    assert _failed_and_retried(topic)["left"] == []
    assert _record(environment, topic).value() == b'{"number":7}'


@proves("result: retry_failed_messages()['successful']")
def test_successful_is_how_many_were_published_again(item: str, topic: str) -> None:
    assert _failed_and_retried(topic)["stats"]["successful"] == 1


@proves("claim: 1 Applied to: Kafka publishing operations")
def test_a_kafka_that_is_away_is_left_alone_after_three_failures(item: str, topic: str, away: Away) -> None:
    async def work(made: KafkaClient) -> list[int]:
        return [(await made.publish_event(EVENT, topic)).attempts for _ in range(5)]

    assert using(work, bootstrap_servers=away(), **QUICK) == [1, 1, 1, 0, 0]
