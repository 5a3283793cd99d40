"""Alerts on real servers: raised, told once however many relays watch, and cleared."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from redis import Redis
from structlog.testing import capture_logs

from orchestrator import keys, redis
from orchestrator.alerts import changing
from orchestrator.alerts.record import Alert, Raised
from orchestrator.alerts.store import Store
from orchestrator.dev.ports import LOOPBACK
from orchestrator.relay.watching import alarms
from orchestrator.relay.watching import watcher as watching
from orchestrator.relay.watching.heartbeat import Heartbeat
from orchestrator.relay.watching.watcher import Watcher
from orchestrator.settings import Settings
from tests.alerting import raises_and_clears
from tests.processes import wait_until

LETTER = """
    INSERT INTO dead_letters (id, task_id, task, queue, correlation_id, reason, exception, message,
        fingerprint, worker, attempts, replays, first_failed_at, died_at, is_foreign)
    SELECT number::text, '', '', 'celery', '', 'exception', '', '', '', '', 1, 0, now() - interval '2 hours',
        now() - interval '1 hour', false
    FROM generate_series(1, 10) number"""
REFUSED = """
    INSERT INTO outbox_overflow (entry_id, topic, fields, raw, error)
    VALUES ('1-0', 'orders.dlq', '{}', '', 'Broker: Topic authorization failed')"""


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(watching, "_ASK_SECONDS", 0.1)


@pytest.fixture
def client(environment: Settings) -> Iterator[Redis]:
    with redis.connect(environment.broker_url) as connected:
        yield connected


@contextmanager
def _watching(environment: Settings, name: str = "one", **changes: Any) -> Iterator[Watcher]:
    watcher, stop = Watcher(environment.model_copy(update=changes), name), Event()
    thread = Thread(target=watcher.run, args=(stop,))
    thread.start()
    try:
        yield watcher
    finally:
        stop.set()
        thread.join(10)


def _wait_for(client: Redis, *names: str) -> dict[str, Raised]:
    wait_until(lambda: list(alarms.raised(client)) == sorted(names), what=f"the alerts {names}")
    return alarms.raised(client)


def _bury(client: Redis) -> None:
    client.xadd(keys.outbox(), {"id": "a", "raw": b"\xff"})


@raises_and_clears("outbox_waits")
def test_a_letter_that_waits_is_told_once_by_all_relays_and_so_is_its_end(
    environment: Settings, client: Redis
) -> None:
    with capture_logs() as logs, ExitStack() as relays:
        for name in ("one", "two", "three"):
            relays.enter_context(_watching(environment, name, alert_outbox_seconds=0.2))
        _bury(client)
        told = _wait_for(client, "outbox_waits")["outbox_waits"]
        client.delete(keys.outbox())
        _wait_for(client)

    assert told.severity == "critical"
    assert told.sentence.startswith("1 dead letter waits, the oldest for")
    assert [each["event"] for each in logs if "alert" in each] == ["alert_raised", "alert_cleared"]


def test_one_relay_goes_on_where_another_has_stopped(environment: Settings, client: Redis) -> None:
    with _watching(environment, "one", alert_outbox_seconds=0.2):
        _bury(client)
        before = _wait_for(client, "outbox_waits")["outbox_waits"]
    with _watching(environment, "two", alert_outbox_seconds=0.2) as second:
        wait_until(lambda: second.state()["judges"], what="its turn")
        assert alarms.raised(client)["outbox_waits"].since == before.since
        client.delete(keys.outbox())
        _wait_for(client)


@raises_and_clears("open_letters", "open_letter_age")
def test_open_letters_are_told_until_they_are_dealt_with(
    environment: Settings, client: Redis, database: psycopg.Connection[Any]
) -> None:
    limits: dict[str, Any] = {
        "alert_open_letters": 10,
        "alert_letters_per_minute": 10.0,
        "alert_open_letter_hours": 1.0,
    }
    database.execute(LETTER)
    with _watching(environment, **limits) as watcher:
        told = _wait_for(client, "open_letter_age", "open_letters")
        assert watcher.state()["index"]["open_letters"] == 10
        database.execute("UPDATE dead_letters SET state = 'archived'")
        _wait_for(client)

    assert told["open_letters"].sentence.startswith("10 dead letters are open")
    assert told["open_letter_age"].sentence.startswith("the oldest open dead letter is 2.0 hours old")


@raises_and_clears("letters_per_minute")
def test_many_deaths_within_a_minute_are_told(
    environment: Settings, client: Redis, database: psycopg.Connection[Any]
) -> None:
    database.execute(LETTER)
    database.execute("UPDATE dead_letters SET died_at = now()")
    with _watching(environment, alert_letters_per_minute=10.0):
        _wait_for(client, "letters_per_minute")
        database.execute("UPDATE dead_letters SET died_at = now() - interval '2 minutes'")
        _wait_for(client)


@raises_and_clears("topics_refuse")
def test_a_topic_that_refuses_letters_is_named(
    environment: Settings, client: Redis, database: psycopg.Connection[Any]
) -> None:
    database.execute(REFUSED)
    with _watching(environment):
        told = _wait_for(client, "topics_refuse")
        database.execute("DELETE FROM outbox_overflow")
        _wait_for(client)

    assert "orders.dlq: Broker: Topic authorization failed" in told["topics_refuse"].sentence


@raises_and_clears("outbox_overflows")
def test_what_postgresql_has_for_redis_is_told(
    environment: Settings, client: Redis, database: psycopg.Connection[Any]
) -> None:
    database.execute(REFUSED)
    database.execute("UPDATE outbox_overflow SET error = ''")
    with _watching(environment):
        told = _wait_for(client, "outbox_overflows")
        database.execute("DELETE FROM outbox_overflow")
        _wait_for(client)

    assert told["outbox_overflows"].sentence.startswith("1 dead letter waits for Kafka in PostgreSQL")


@raises_and_clears("postgresql_away")
def test_a_postgresql_that_is_away_is_told_and_what_it_said_stays(
    environment: Settings, client: Redis, database: psycopg.Connection[Any]
) -> None:
    database.execute(REFUSED)
    with _watching(environment):
        _wait_for(client, "topics_refuse")
    away: dict[str, Any] = {
        "database_url": f"postgresql://nobody@{LOOPBACK}:1/shop",
        "alert_outbox_seconds": 0.3,
    }
    with _watching(environment, **away):
        told = _wait_for(client, "postgresql_away", "topics_refuse")
    with _watching(environment):
        _wait_for(client, "topics_refuse")

    assert "Connection refused" in told["postgresql_away"].sentence


@raises_and_clears("index_waits")
def test_letters_that_cannot_be_found_yet_are_told(environment: Settings, client: Redis) -> None:
    said = {"indexer": {"behind_seconds": 61.0, "error": "the index is locked"}}
    stop = Event()
    relay = Thread(target=Heartbeat(environment, "two", lambda: said).run, args=(stop,))
    with _watching(environment):
        relay.start()
        told = _wait_for(client, "index_waits")
        said["indexer"] = {"behind_seconds": 0.0, "error": ""}
        _wait_for(client)
        stop.set()
        relay.join(10)

    assert told["index_waits"].sentence.endswith("cannot be found yet (the index is locked)")


def test_relays_leave_alone_what_others_have_raised(environment: Settings, client: Redis) -> None:
    store = Store(client)
    standing = store.read()
    store.apply(standing, [changing.found(standing, Alert("no_workers", "critical", "none lives"))])
    with _watching(environment, alert_outbox_seconds=0.2):
        _bury(client)
        _wait_for(client, "outbox_waits")
        client.delete(keys.outbox())
        _wait_for(client)

    assert list(store.read().raised) == ["no_workers"]
