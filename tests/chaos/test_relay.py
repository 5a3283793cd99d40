"""Everything that a dead letter passes through is stopped or killed: none is lost, none is there twice."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import randbelow
from threading import Event, Thread

import pytest
from celery import Celery
from confluent_kafka import Consumer, TopicPartition

from orchestrator import redis
from orchestrator.relay.watching import alarms
from tests.chaos.letters import index, trial
from tests.chaos.letters.stores import KAFKA, Stores, running_stores
from tests.processes import let_pass, start_worker, wait_until
from tests.relays import start_relay

_EVERY_SECONDS = 0.05
_TOPIC = "dying.dlq"
# One partition, so that there is an order; and no alert but those of the outage.
_CALM = {
    "OMNINODE_DLQ_PARTITIONS": "1",
    "OMNINODE_ALERT_OPEN_LETTERS": "1000000",
    "OMNINODE_ALERT_LETTERS_PER_MINUTE": "1000000",
}


class _Sender:
    """Sends tasks that die, at a steady rate, until it is stopped."""

    def __init__(self, broker_url: str) -> None:
        self._app = Celery(broker=broker_url, set_as_current=False)
        self._stop = Event()
        self._thread = Thread(target=self._run)
        self.sent = 0

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            self._app.send_task("dying.die", args=[self.sent], queue="dying")
            self.sent += 1

    @contextmanager
    def sending(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()
            self._app.close()


def _records(stores: Stores) -> Iterator[int]:
    """The number in each record's value, in the order of the only partition."""
    consumer = Consumer({"bootstrap.servers": stores.bootstrap_servers, "group.id": "a test"})
    place = TopicPartition(_TOPIC, 0, 0)
    _, end = consumer.get_watermark_offsets(place, timeout=10.0)
    consumer.assign([place])
    for _ in range(end):
        record = consumer.poll(20.0)
        assert record is not None
        assert record.error() is None
        yield json.loads(record.value() or b"")[0][0]
    consumer.close()


@pytest.mark.kafka
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("away_seconds", "variables"),
    [
        # Sending is given up and begun anew several times.
        (10.0, {"OMNINODE_ALERT_OUTBOX_SECONDS": "2", "KAFKA_TIMEOUT_SECONDS": "3"}),
        (10.0, {"OMNINODE_ALERT_OUTBOX_SECONDS": "2", "OMNINODE_OUTBOX_HIGH_WATER": "20"}),
        (120.0, {}),
    ],
    ids=["ten seconds", "ten seconds and a full outbox", "two minutes"],
)
def test_while_kafka_is_away_letters_wait_and_then_follow_in_order(
    away_seconds: float, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_stores() as stores:
        for name, value in (stores.environment() | _CALM | variables).items():
            monkeypatch.setenv(name, value)
        url = stores.environment()["REDIS_URL"]
        sender = _Sender(url)
        with (
            redis.connect(url) as client,
            start_relay() as relay,
            start_worker("-Q", "dying", app="tests.chaos.letters.dying", concurrency=1),
        ):
            with sender.sending():
                wait_until(lambda: sender.sent >= 20, what="the first letters")
                stores.kill(KAFKA)
                let_pass(away_seconds)
                relay.wait_for("alert_raised")
                waited = index.waiting(client, stores)
                stores.start_again(KAFKA)
                relay.wait_for("alert_cleared", within_seconds=60.0)
            wait_until(lambda: index.count(stores) == sender.sent, 60.0, "the last letter")
            wait_until(lambda: not index.left(client, stores), 30.0, "that nothing is left")
            wait_until(lambda: not alarms.raised(client), 30.0, "the end of all alerts")
            raised, cleared = relay.events("alert_raised"), relay.events("alert_cleared")
        first_of_each = list(dict.fromkeys(_records(stores)))

    sys.stdout.write(f"{sender.sent} letters, {waited} of them waited\n")
    assert "outbox_waits" in [event["alert"] for event in raised]
    assert sorted(event["alert"] for event in raised) == sorted(event["alert"] for event in cleared)
    assert first_of_each == list(range(sender.sent))


@pytest.mark.kafka
@pytest.mark.timeout(1500)
def test_every_death_is_one_letter_whatever_is_killed_and_kafka_rebuilds_them_all() -> None:
    done = trial.run(randbelow(1_000_000), 2000, per_second=8.0)

    sys.stdout.writelines(f"{line}\n" for line in done.report.lines())
    sys.stdout.write(f"{done.letters} letters in the index, {done.records} records in Kafka\n")
    assert done.report.violations == []
    assert done.report.became_quiet
    assert done.differences == []
    assert [surprise for surprise in done.report.surprises if surprise.startswith("relay")] == []
