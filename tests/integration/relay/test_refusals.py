"""Kafka takes nothing, or one topic takes nothing: letters wait where there is room, and others go on."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from orchestrator import kafka, keys
from orchestrator.dev import ports
from orchestrator.relay.kafka.topics import SLACK_BYTES, Topics
from orchestrator.relay.outbox import tide, to_kafka
from orchestrator.settings import Settings
from tests.integration.relay.moved import headers_of, moving, put, records
from tests.processes import wait_until

_DAY_MS = 86_400_000


def test_letters_that_a_topic_refuses_wait_in_postgresql_and_the_others_go(
    settings: Settings, client: Any, database: psycopg.Connection[Any]
) -> None:
    topic = f"mail{settings.kafka_dlq_suffix}"
    # A topic that is compacted takes no record without a key, and so no letter without a task id.
    _create(settings, topic, {"cleanup.policy": "compact"})
    keyless = {"id": "b" * 64, "queue": "mail", "raw": "no task"}

    with moving(settings) as mover:
        client.xadd(keys.outbox(), keyless)
        (taken,) = put(client, "mail", "task-1")
        assert [headers_of(each)["omninode-dlq-id"] for each in records(settings, topic, 1)] == [taken]
        wait_until(lambda: client.xlen(keys.outbox()) == 0, what="an empty outbox")
        (row,) = database.execute("SELECT topic, error, attempts, raw FROM outbox_overflow").fetchall()
        assert row == (topic, "Broker: Broker failed to validate record", 1, b"no task")
        wait_until(lambda: mover.state()["overflow"] == 1, what="the relay's word of it")

        _alter(settings, topic, {"cleanup.policy": "delete"})
        database.execute("UPDATE outbox_overflow SET due_at = now()")

        assert len(records(settings, topic, 2)) == 2
        wait_until(lambda: _rows(database) == 0, what="an empty overflow")


def test_a_topic_that_takes_nothing_for_a_while_holds_up_no_other(settings: Settings, client: Any) -> None:
    suffix = settings.kafka_dlq_suffix
    wanted, quick = f"a_b{suffix}", f"quick{suffix}"
    # Kafka has no two topics that differ only by `.` and `_`: it creates neither this one nor its substitute.
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:8]
    _create(settings, f"a.b{suffix}", {})
    _create(settings, f"a.b-{digest}{suffix}", {})

    with moving(settings) as mover:
        waiting = put(client, "a_b", "task-1", "task-2")
        wait_until(lambda: wanted in mover.state().get("held", {}), what="a topic that takes nothing")
        put(client, "quick", "task-3")
        assert len(records(settings, quick, 1)) == 1
        wait_until(lambda: client.xlen(keys.outbox()) == 2, what="the other letter's end")

        _delete(settings, f"a.b-{digest}{suffix}")

        found = records(settings, f"a_b-{digest}{suffix}", 2)
        assert {headers_of(each)["omninode-dlq-id"] for each in found} == set(waiting)
        wait_until(lambda: client.xlen(keys.outbox()) == 0, what="an empty outbox")


def test_above_the_high_water_the_oldest_go_to_postgresql_and_to_kafka_first_when_it_is_back(
    settings: Settings, client: Any, database: psycopg.Connection[Any]
) -> None:
    (port,) = ports.free(1)
    away = settings.model_copy(
        update={
            "kafka_bootstrap_servers": f"{ports.LOOPBACK}:{port}",
            "kafka_timeout_seconds": 0.5,
            "outbox_high_water": 5,
            "dlq_partitions": 1,
        }
    )
    topic = f"mail{settings.kafka_dlq_suffix}"
    identities = put(client, "mail", *(f"task-{number}" for number in range(12)))

    with moving(away) as mover:
        wait_until(lambda: client.xlen(keys.outbox()) == 5, what="a lower water")
        rows = database.execute("SELECT fields->>'id' FROM outbox_overflow ORDER BY position").fetchall()
        assert [identity for (identity,) in rows] == identities[:7]
        wait_until(lambda: mover.state()["kafka"].startswith("Kafka takes nothing"), what="word of it")

        with _wire(port, settings.kafka_bootstrap_servers):
            found = records(settings, topic, 12)
            wait_until(lambda: client.xlen(keys.outbox()) == 0 and _rows(database) == 0, what="empty places")
            wait_until(lambda: mover.state()["kafka"] == "up", what="word of its return")

    assert [headers_of(each)["omninode-dlq-id"] for each in found] == identities


def test_letters_that_come_faster_than_kafka_takes_them_go_to_postgresql_above_the_high_water(
    settings: Settings, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(to_kafka, "_MOST_FLYING", 0)
    monkeypatch.setattr(tide, "_PATIENCE_SECONDS", 0.2)
    narrow = settings.model_copy(update={"outbox_high_water": 5, "dlq_partitions": 1})
    identities = put(client, "mail", *(f"task-{number}" for number in range(12)))

    with moving(narrow) as mover:
        wait_until(lambda: client.xlen(keys.outbox()) == 5, what="a lower water")
        found = records(narrow, f"mail{settings.kafka_dlq_suffix}", 7)

    assert [headers_of(each)["omninode-dlq-id"] for each in found] == identities[:7]
    assert mover.state()["kafka"] == "up"


def test_without_kafka_and_postgresql_letters_stay_in_redis(settings: Settings, client: Any) -> None:
    nowhere = f"{ports.LOOPBACK}:1"
    alone = settings.model_copy(
        update={
            "kafka_bootstrap_servers": nowhere,
            "database_url": f"postgresql://postgres@{nowhere}/none",
            "kafka_timeout_seconds": 0.2,
            "outbox_high_water": 2,
        }
    )
    put(client, "mail", "task-1", "task-2", "task-3", "task-4")

    with moving(alone) as mover:
        wait_until(lambda: "Kafka takes nothing" in mover.state().get("error", ""), what="word of Kafka")
        wait_until(lambda: "PostgreSQL" in mover.state()["postgres"], what="word of PostgreSQL")
        assert mover.state()["outbox"] == 4

    assert client.xlen(keys.outbox()) == 4


def test_topics_are_created_and_existing_ones_configured_as_the_settings_say(settings: Settings) -> None:
    new, old = (f"{queue}{settings.kafka_dlq_suffix}" for queue in ("new", "old"))
    _create(settings, old, {"max.message.bytes": "1000", "retention.ms": "1000"})
    wanted = settings.model_copy(
        update={"dlq_max_bytes": 70_000, "dlq_retention_days": 2.0, "dlq_partitions": 3}
    )

    Topics(wanted).ensure([new, old])

    expected = {"max.message.bytes": str(70_000 + SLACK_BYTES), "retention.ms": str(2 * _DAY_MS)}
    assert _configuration(settings, new) == _configuration(settings, old) == expected
    admin = kafka.admin(settings.kafka_bootstrap_servers)
    assert len(admin.list_topics(timeout=5).topics[new].partitions) == 3


def test_a_topic_that_somebody_has_changed_is_configured_again_after_some_minutes(
    settings: Settings,
) -> None:
    now, topic = [0.0], f"mail{settings.kafka_dlq_suffix}"
    topics = Topics(settings, lambda: now[0])
    topics.ensure([topic])
    before = _configuration(settings, topic)
    _alter(settings, topic, {"retention.ms": "1000"})

    now[0] = 299.0
    topics.ensure([topic])
    assert _configuration(settings, topic)["retention.ms"] == "1000"
    now[0] = 300.0
    topics.ensure([topic])
    assert _configuration(settings, topic) == before


def test_a_queue_whose_topic_kafka_takes_for_anothers_gets_one_of_its_own(
    settings: Settings, client: Any
) -> None:
    # Kafka has no two topics that differ only by `.` and `_`.
    _create(settings, f"a.b{settings.kafka_dlq_suffix}", {})
    put(client, "a_b", "task-1")

    with moving(settings) as mover:
        wait_until(lambda: mover.state().get("sent") == 1, what="a record")

    topics = kafka.admin(settings.kafka_bootstrap_servers).list_topics(timeout=5).topics
    (own,) = (topic for topic in topics if topic.endswith(settings.kafka_dlq_suffix) and "a_b" in topic)
    assert len(records(settings, own, 1)) == 1


def test_a_kafka_that_administers_nothing_creates_topics_as_it_likes(
    settings: Settings, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.relay.kafka.answers.WAIT_SECONDS", 0.5)
    command = [sys.executable, "-m", "orchestrator.dev.servers.kafka_mock"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as mock:
        assert mock.stdout
        try:
            servers = mock.stdout.readline().strip()
            put(client, "mail", "task-1")
            with moving(settings.model_copy(update={"kafka_bootstrap_servers": servers})):
                found = records(settings, f"mail{settings.kafka_dlq_suffix}", 1, servers)
            assert [each.key() for each in found] == [b"task-1"]
        finally:
            mock.kill()


def _rows(database: psycopg.Connection[Any]) -> int:
    return int(database.execute("SELECT count(*) FROM outbox_overflow").fetchall()[0][0])


def _create(settings: Settings, topic: str, configuration: dict[str, str]) -> None:
    admin = kafka.admin(settings.kafka_bootstrap_servers)
    new = NewTopic(topic, 1, replication_factor=1, config=configuration)
    admin.create_topics([new])[topic].result(10)


def _delete(settings: Settings, topic: str) -> None:
    admin = kafka.admin(settings.kafka_bootstrap_servers)
    admin.delete_topics([topic])[topic].result(10)


def _alter(settings: Settings, topic: str, configuration: dict[str, str]) -> None:
    admin = kafka.admin(settings.kafka_bootstrap_servers)
    changes = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in configuration.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=changes)
    (future,) = admin.incremental_alter_configs([resource]).values()
    future.result(10)


def _configuration(settings: Settings, topic: str) -> dict[str, str]:
    admin = kafka.admin(settings.kafka_bootstrap_servers)
    (future,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    told = future.result(10)
    return {name: told[name].value for name in ("max.message.bytes", "retention.ms")}


@contextmanager
def _wire(port: int, servers: str) -> Iterator[None]:
    """Kafka at this port as well."""
    upstream = servers.rpartition(":")[2]
    command = [sys.executable, "-m", "tests.chaos.transport.proxy", str(port), upstream]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as proxy:
        wait_until(lambda: ports.is_listening(port), what="the wire")
        try:
            yield
        finally:
            proxy.kill()
