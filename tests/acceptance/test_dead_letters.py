"""Every reason to die: one record in Kafka with the message's bytes, and after a replay it has run once."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from celery import Celery
from confluent_kafka import Consumer, TopicPartition

from orchestrator import redis
from orchestrator.breaker.state import Action
from orchestrator.breaker.store import Store
from orchestrator.deadletter.reasons import REASONS
from orchestrator.dev.stack import Addresses
from orchestrator.settings import Settings
from tests.acceptance import letter_tasks
from tests.commands import omninode
from tests.processes import start_worker, wait_until
from tests.servers import clean_redis, environment_of, fresh_database

_QUEUE = "letters"
_ENVIRONMENT = {
    "OMNINODE_IMPORTS": "tests.acceptance.letter_tasks",
    "OMNINODE_MAX_DELIVERIES": "3",
    "OMNINODE_LEASE_SECONDS": "5",
    "OMNINODE_BREAKERS": '{"away": {"wait_limit_seconds": 0.3, "ramp_seconds": 0}}',
}
# Dies of what its producer sent: a replay of the same bytes would die of it again.
_NEED_AN_EDIT = ("invalid", "undecodable")


@dataclass
class Case:
    """One message: its task's id, and its raw bytes as they lay in the queue."""

    task_id: str
    raw: bytes = b""
    records: list[Any] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return base64.b64decode(json.loads(self.raw)["body"])


@dataclass
class Place:
    """Servers, a topic of this file's own, and the cases by the reason of their death."""

    settings: Settings
    topic: str
    cases: dict[str, Case]


@pytest.fixture(scope="module")
def environment(stack: Addresses, template: str) -> Iterator[Settings]:
    with (
        pytest.MonkeyPatch.context() as patch,
        clean_redis(stack.redis_url) as redis_url,
        fresh_database(stack.database_url, template) as database_url,
    ):
        patch.setenv("KAFKA_DLQ_SUFFIX", f".dlq-{uuid4().hex[:8]}")
        with environment_of(stack, redis_url, database_url) as settings:
            yield settings


@pytest.fixture(scope="module")
def dead(environment: Settings) -> Iterator[Place]:
    """Each case has died, its records were read, and the relay is still running."""
    cases = _send(environment)
    _steer(environment, "open")
    place = Place(environment, _QUEUE + environment.kafka_dlq_suffix, cases)
    with redis.connect(environment.redis_url) as server:
        for raw in server.lrange(_QUEUE, 0, -1):
            _case_of(cases, str(raw)).raw = str(raw).encode()
    with _relay():
        with start_worker("--queues", _QUEUE, environment=_ENVIRONMENT, concurrency=4):
            _read(place, len(cases))
        yield place


@pytest.fixture(scope="module")
def replayed(dead: Place) -> Iterator[Place]:
    """The cause of every death is gone, and every letter was replayed."""
    with redis.connect(dead.settings.redis_url) as server:
        server.set(letter_tasks.GONE, 1)
    _steer(dead.settings, "close")
    later = _ENVIRONMENT | {"LETTERS_LATER": "1"}
    with start_worker("--queues", _QUEUE, environment=later, concurrency=4):
        wait_until(lambda: _states(dead) == {"open": len(dead.cases)}, what="the index")
        _replay("--queue", _QUEUE, "--reason", "invalid", "--reason", "undecodable",
                "--edit", '{"args": [7]}')  # fmt: skip
        _replay("--queue", _QUEUE)
        wait_until(lambda: _states(dead) == {"resolved": len(dead.cases)}, 40.0, "the end of all replays")
        yield dead


@pytest.mark.parametrize("reason", REASONS)
def test_a_death_is_one_record_with_the_bytes_of_its_message(dead: Place, reason: str) -> None:
    case = dead.cases[reason]

    (record,) = case.records
    headers = _headers(record)

    assert record.value() == (case.raw if reason == "bad_envelope" else case.body)
    assert (record.key() or b"").decode() == case.task_id
    assert headers["omninode-dlq-schema"] == "1"
    assert headers["omninode-dlq-reason"] == reason
    assert headers["omninode-dlq-queue"] == headers["kafka_dlt-original-topic"] == _QUEUE
    assert headers["omninode-dlq-replays"] == "0"
    assert abs(datetime.now(UTC) - datetime.fromisoformat(headers["omninode-dlq-last-failure"])) < timedelta(
        minutes=5
    )
    assert {name for name, _ in record.headers()} >= {
        "omninode-dlq-id",
        "omninode-dlq-task",
        "omninode-dlq-attempts",
        "omninode-dlq-first-failure",
        "omninode-dlq-exception",
        "omninode-dlq-message",
        "omninode-dlq-traceback",
        "omninode-dlq-fingerprint",
        "omninode-dlq-worker",
        "celery-headers",
        "celery-properties",
        "content-type",
        "content-encoding",
        "kafka_dlt-exception-fqcn",
        "kafka_dlt-exception-message",
        "kafka_dlt-exception-stacktrace",
    }


def test_what_explains_a_death_holds_no_secret(dead: Place) -> None:
    headers = _headers(dead.cases["exception"].records[0])

    assert headers["omninode-dlq-message"] == "password=**** is wrong"
    assert "hunter2" not in json.dumps(headers)


@pytest.mark.parametrize("reason", REASONS)
def test_a_replay_runs_it_once_and_the_letter_is_resolved(replayed: Place, reason: str) -> None:
    case = replayed.cases[reason]

    with redis.connect(replayed.settings.redis_url) as server:
        assert server.hget(letter_tasks.RUNS, case.task_id) == "1"
        result = json.loads(str(server.get(f"celery-task-meta-{case.task_id}")))
    with psycopg.connect(replayed.settings.database_url) as database:
        letters = database.execute(
            "SELECT reason, state, replay FROM dead_letters WHERE task_id = %s", (case.task_id,)
        ).fetchall()
    assert letters == [(reason, "resolved", 1)]
    assert result["status"] == "SUCCESS"
    assert result["result"] == _expected(reason)


def test_a_replay_adds_no_record(replayed: Place) -> None:
    for case in replayed.cases.values():
        case.records.clear()
    _read(replayed, len(replayed.cases))

    assert {reason: len(case.records) for reason, case in replayed.cases.items()} == dict.fromkeys(REASONS, 1)


def _expected(reason: str) -> list[Any]:
    if reason == "exception":
        return [[1], {"word": "one"}]
    return [[7], {}] if reason in _NEED_AN_EDIT else [[], {}]


def _send(settings: Settings) -> dict[str, Case]:
    """By a plain Celery producer, or what is left of one, and before any worker runs."""
    with Celery("shop", broker=settings.redis_url, set_as_current=False) as shop:
        cases: dict[str, Case] = {reason: Case(uuid4().hex) for reason in REASONS}

        def send(reason: str, task: str = "", **options: Any) -> None:
            shop.send_task(
                f"letters.{task or reason}", task_id=cases[reason].task_id, queue=_QUEUE, **options
            )

        send("exception", args=[1], kwargs={"word": "one"})
        for reason in ("retries_exhausted", "soft_timeout", "hard_timeout", "worker_lost", "rejected"):
            send(reason)
        for reason in ("unknown_task", "too_many_deliveries", "unserializable_result"):
            send(reason)
        send("expired", "plain", expires=-5)
        send("deadline_exceeded", "plain", headers={"omninode-deadline": 1_000_000_000.0})
        send("circuit_open", "plain", headers={"omninode-breaker": "away"})
        shop.conf.task_serializer = "pickle"
        send("invalid", "plain", serializer="pickle")
        with shop.producer_pool.acquire() as producer:
            headers = {"task": "letters.plain", "id": cases["undecodable"].task_id, "lang": "py"}
            producer.publish(
                b"{no json",
                routing_key=_QUEUE,
                exchange="",
                headers=headers,
                content_type="application/json",
                content_encoding="utf-8",
            )
        _send_without_properties(settings, shop, cases["bad_envelope"].task_id)
        shop.close()
    return cases


def _steer(settings: Settings, action: Action) -> None:
    with redis.connect(settings.redis_url) as server:
        Store(server).control("away", action, who="a test", why="on purpose")


def _send_without_properties(settings: Settings, shop: Celery, task_id: str) -> None:
    shop.send_task("letters.plain", task_id=task_id, queue="template", serializer="json")
    with redis.connect(settings.redis_url) as server:
        message = json.loads(str(server.rpop("template")))
        del message["properties"]
        server.lpush(_QUEUE, json.dumps(message))


def _case_of(cases: dict[str, Case], raw: str) -> Case:
    return next(case for case in cases.values() if case.task_id in raw)


def _read(place: Place, letters: int) -> None:
    """Read the topic with a bare consumer until there are so many records, and a little longer."""
    consumer = Consumer(
        {
            "bootstrap.servers": place.settings.kafka_bootstrap_servers,
            "group.id": uuid4().hex,
            "enable.auto.commit": False,
        }
    )
    found: list[Any] = []

    def has_all() -> bool:
        found.extend(record for record in consumer.consume(100, 0.5) if not record.error())
        return len(found) >= letters

    try:
        wait_until(lambda: place.topic in consumer.list_topics(timeout=5).topics, 40.0, "the topic")
        partitions = consumer.list_topics(place.topic, timeout=5).topics[place.topic].partitions
        consumer.assign([TopicPartition(place.topic, number, 0) for number in partitions])
        wait_until(has_all, 60.0, f"{letters} records, of which {len(found)} are there")
        has_all()
    finally:
        consumer.close()
    for record in found:
        _case_of(place.cases, _headers(record)["celery-headers"] + str(record.key())).records.append(record)


def _headers(record: Any) -> dict[str, str]:
    headers = [(name, value.decode()) for name, value in record.headers()]
    assert len(headers) == len(dict(headers))
    return dict(headers)


def _states(place: Place) -> dict[str, int]:
    with psycopg.connect(place.settings.database_url) as database:
        rows = database.execute("SELECT state, count(*) FROM dead_letters GROUP BY state").fetchall()
    return dict(rows)


def _replay(*arguments: str) -> None:
    done = omninode(
        "dead-letters", "replay", *arguments, "--why", "the cause is gone", "--yes", environment=_ENVIRONMENT
    )
    assert done.code == 0, done.stderr + done.stdout


@contextmanager
def _relay() -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.cli", "relay"], env=os.environ | _ENVIRONMENT
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
