"""What the document says of dead letters and retries, and the code that it shows of them."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Message

from orchestrator import keys, redis, settings
from orchestrator.errors import KafkaUnavailable
from orchestrator.kafka import KafkaClient
from orchestrator.retry.backoff import ceiling_seconds
from orchestrator.settings import Settings
from tests.integration.relay.moved import headers_of, moving, records
from tests.patterns import shown
from tests.patterns.clients import EVENT, QUICK, client, kafka_is_left_alone, published, using
from tests.patterns.conftest import Away, Give
from tests.patterns.letters import letters
from tests.patterns.proofs import proved_elsewhere, proves
from tests.patterns.web import Web
from tests.processes import wait_until

DLQ = "2. Dead Letter Queue (DLQ) Pattern"
RETRY = "4. Retry Pattern with Exponential Backoff"

proved_elsewhere(
    "claim: 4 Configuration: Exponential multiplier: 2x",
    "tests/unit/test_backoff.py::test_the_ceiling_doubles_from_one_second_and_stops_at_thirty",
)


@pytest.fixture(autouse=True)
def _servers(environment: Settings) -> None:
    """Letters are in Redis."""


@pytest.fixture
def topic() -> str:
    """One that nobody else uses."""
    return f"orders-{uuid4().hex[:8]}"


class _Around:
    """What the client that the document shows calls of itself, as our client does it."""

    enable_dead_letter_queue = True

    def __init__(self, servers: str) -> None:
        # To make a topic takes a while where there is a Kafka.
        quick = {} if servers == settings.current().kafka_bootstrap_servers else QUICK
        self._publishing = KafkaClient(servers, enable_dead_letter_queue=False, **quick)
        self._burying = KafkaClient(servers, **quick)

    async def _publish_with_resilience(self, topic: str, data: Any, key: str) -> None:
        outcome = await self._publishing.publish_event(data, topic, key)
        if not outcome:
            raise KafkaUnavailable(outcome.error)

    async def _send_to_dead_letter_queue(self, topic: str, data: Any, key: str, _reason: str) -> bool:
        return (await self._burying.publish_event(data, topic, key)).dead_lettered

    async def disconnect(self) -> None:
        for each in (self._publishing, self._burying):
            await each.disconnect()


def _published_as_shown(topic: str, servers: str, *, enabled: bool = True) -> bool:
    """What the document's own `publish_event` returns."""

    async def main() -> bool:
        names = await shown.run(DLQ, topic_name=topic, event_data=EVENT, message_key="order-7")

        # What it is given goes before its own.
        kind: Any = type("Client", (names["KafkaClient"], _Around), {"enable_dead_letter_queue": enabled})
        made = kind(servers)
        try:
            return bool(await made.publish_event(EVENT))
        finally:
            await made.disconnect()

    return asyncio.run(main())


@proves(f"sample: {DLQ}")
def test_the_client_that_is_shown_is_true_of_what_is_published_or_dead_lettered(
    item: str, environment: Settings, topic: str, away: Away
) -> None:
    assert _published_as_shown(topic, environment.kafka_bootstrap_servers)
    assert _published_as_shown(topic, away())
    assert not _published_as_shown(topic, away(), enabled=False)


def _letters_of(environment: Settings, topic: str) -> list[dict[str, str]]:
    return [each for each in letters(environment) if each["queue"] == topic]


@proves("member: KafkaClient.enable_dead_letter_queue")
def test_it_decides_whether_there_is_a_letter(
    item: str, environment: Settings, topic: str, away: Away
) -> None:
    _published_as_shown(topic, away(), enabled=False)
    assert _letters_of(environment, topic) == []

    _published_as_shown(topic, away())
    assert len(_letters_of(environment, topic)) == 1


@proves("member: KafkaClient._publish_with_resilience")
def test_it_puts_the_event_on_its_topic_with_its_key(item: str, environment: Settings, topic: str) -> None:
    _published_as_shown(topic, environment.kafka_bootstrap_servers)

    (record,) = records(environment, topic, 1)
    assert (record.key(), record.value()) == (b"order-7", b'{"number":7}')


@proves("member: KafkaClient._send_to_dead_letter_queue")
def test_it_keeps_what_could_not_be_published(
    item: str, environment: Settings, topic: str, away: Away
) -> None:
    _published_as_shown(topic, away())

    (letter,) = _letters_of(environment, topic)
    assert letter["raw"] == '{"number":7}'


class _Retrying:
    """A class with what the retries that are shown name."""

    max_retry_attempts = 2
    retry_backoff_base = 0.01

    async def call(self, web: Web) -> str:
        retry = (await shown.run(RETRY))["_retry_with_backoff"]
        return str(await retry(self, web.call, "sent"))


@proves(f"sample: {RETRY}")
def test_the_retries_that_are_shown_call_again_until_it_goes_well(item: str, web: Web) -> None:
    web.failures = 2

    assert asyncio.run(_Retrying().call(web)) == '["sent"]'
    assert web.calls == 3


@proves("member: KafkaClient.max_retry_attempts")
def test_it_is_how_often_it_is_called_again(item: str, web: Web) -> None:
    web.failures = 99
    retrying = _Retrying()
    retrying.max_retry_attempts = 4

    with pytest.raises(Exception, match="503"):
        asyncio.run(retrying.call(web))

    assert web.calls == 5


@proves("member: KafkaClient.retry_backoff_base")
def test_it_is_how_long_the_first_retry_waits(item: str, web: Web) -> None:
    web.failures = 1
    retrying = _Retrying()
    retrying.retry_backoff_base = 60.0

    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(retrying.call(web), 0.5))

    assert web.calls == 1


@pytest.fixture(scope="module")
def record(environment: Settings, module_database: str) -> Message:
    """The record of an event's letter in Kafka: it was tried three times in vain."""
    name = f"orders-{uuid4().hex[:8]}"
    outcome = published(name, bootstrap_servers="127.0.0.1:9", **QUICK | {"max_retry_attempts": 2})
    assert outcome.dead_lettered
    with moving(environment.model_copy(update={"database_url": module_database})):
        (found,) = records(environment, f"{name}.dlq", 1)
        wait_until(lambda: letters(environment) == [], what="an empty outbox")
    return found


@proves("claim: 2 Features: Automatic DLQ topic creation (original_topic + `.dlq` suffix)")
def test_the_topic_of_dead_letters_is_made_when_it_is_needed(item: str, record: Message) -> None:
    assert str(record.topic()).startswith("orders-")
    assert str(record.topic()).endswith(".dlq")


@proves("claim: 2 Features: Failed message metadata tracking")
def test_a_letter_has_the_event_as_it_was_and_where_it_was_to_go(item: str, record: Message) -> None:
    headers = headers_of(record)

    assert record.value() == b'{"number":7}'
    assert f"{headers['omninode-dlq-queue']}.dlq" == record.topic()
    assert headers["omninode-dlq-first-failure"] == headers["omninode-dlq-last-failure"]


@proves("claim: 2 Features: Retry attempt counting")
def test_a_letter_says_how_often_it_was_tried(item: str, record: Message) -> None:
    assert headers_of(record)["omninode-dlq-attempts"] == "3"


@proves("claim: 2 Features: Message recovery capabilities")
def test_what_is_published_after_all_is_on_its_topic_and_its_letter_is_told_so(
    item: str, environment: Settings, topic: str
) -> None:
    async def main() -> str:
        async with client() as made:
            with kafka_is_left_alone():
                outcome = await made.publish_event(EVENT, topic)
            assert outcome.dead_lettered
            await made.retry_failed_messages()
        return outcome.letter_id

    letter_id = asyncio.run(main())

    assert [each.value() for each in records(environment, topic, 1)] == [b'{"number":7}']
    with redis.connect(environment.redis_url) as connected:
        told = [fields for _, fields in connected.xrange(keys.outcomes())]
    assert [(each["letter_id"], each["outcome"]) for each in told] == [(letter_id, "published")]


@proves("claim: 2 Features: Comprehensive failure reason logging")
def test_a_letter_says_why_it_is_one(item: str, record: Message) -> None:
    headers = headers_of(record)

    assert headers["omninode-dlq-reason"] == "retries_exhausted"
    assert headers["omninode-dlq-exception"] == "orchestrator.errors.KafkaUnavailable"
    assert headers["omninode-dlq-message"]
    assert "Traceback" in headers["omninode-dlq-traceback"]


def _options(given: Give) -> dict[str, Any]:
    given()
    found: dict[str, Any] = using(lambda made: made.get_resilience_metrics())["retry"]
    return found


@proves("claim: 4 Configuration: Maximum retry attempts: 2-3")
def test_it_is_tried_again_three_times_unless_it_is_said_otherwise(item: str, give: Give) -> None:
    assert _options(give)["max_retry_attempts"] == 3


@proves("claim: 4 Configuration: Base delay: 1.0 seconds")
def test_the_first_retry_waits_for_a_second_at_most(item: str, give: Give) -> None:
    assert _options(give)["backoff_base_seconds"] == 1.0


@proves("claim: 4 Configuration: Maximum delay cap: 30 seconds")
def test_no_retry_waits_for_more_than_thirty_seconds(item: str, give: Give) -> None:
    cap = _options(give)["backoff_cap_seconds"]

    assert cap == 30.0
    assert ceiling_seconds(100, 1.0, cap) == 30.0
