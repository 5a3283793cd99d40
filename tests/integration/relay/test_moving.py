"""Letters on their way from the outbox to Kafka, or straight into the index."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from orchestrator import keys
from orchestrator.relay import scripts
from orchestrator.relay.outbox.stream import GROUP, Stream
from orchestrator.relay.overflow.table import Overflow
from orchestrator.settings import Settings
from tests.integration.relay.moved import Place, headers_of, message, moving, put, records
from tests.processes import wait_until


def test_a_letter_becomes_one_record_with_the_original_bytes_and_the_headers_of_the_contract(
    moved: Place,
) -> None:
    raw, envelope = message("task-1", argsrepr="('password=hunter2',)")
    died_at = (datetime.now(UTC) - timedelta(days=3)).isoformat(timespec="milliseconds")
    entry = {
        "id": "a" * 64,
        "reason": "retries_exhausted",
        "task_id": "task-1",
        "task": "mail.send",
        "queue": "mail",
        "exception": "smtplib.SMTPException",
        "message": "451 try later",
        "traceback": "Traceback …",
        "deliveries": "2",
        "attempts": "3",
        "worker": "celery@host",
        "died_at": died_at,
        "raw": raw,
    }

    moved.client.xadd(keys.outbox(), entry)
    (record,) = moved.records("mail", 1)

    headers = headers_of(record)
    assert record.key() == b"task-1"
    assert record.value() == b'[[1], {"to": "mail@example.org"}, {"callbacks": null}]'
    assert record.timestamp()[1] == datetime.fromisoformat(died_at).timestamp() * 1000
    assert {name: text for name, text in headers.items() if name in _EXPECTED} == _EXPECTED
    assert headers["omninode-dlq-first-failure"] == headers["omninode-dlq-last-failure"] == died_at
    assert len(headers["omninode-dlq-fingerprint"]) == 16
    assert json.loads(headers["celery-headers"]) == envelope["headers"] | {"argsrepr": "('password=****',)"}
    assert json.loads(headers["celery-properties"]) == envelope["properties"]


_EXPECTED = {
    "omninode-dlq-schema": "1",
    "omninode-dlq-id": "a" * 64,
    "omninode-dlq-reason": "retries_exhausted",
    "omninode-dlq-task": "mail.send",
    "omninode-dlq-queue": "mail",
    "omninode-dlq-attempts": "3",
    "omninode-dlq-replays": "0",
    "omninode-dlq-exception": "smtplib.SMTPException",
    "omninode-dlq-message": "451 try later",
    "omninode-dlq-traceback": "Traceback …",
    "omninode-dlq-worker": "celery@host",
    "content-type": "application/json",
    "content-encoding": "utf-8",
    "kafka_dlt-original-topic": "mail",
    "kafka_dlt-exception-fqcn": "smtplib.SMTPException",
    "kafka_dlt-exception-message": "451 try later",
    "kafka_dlt-exception-stacktrace": "Traceback …",
}


def test_two_relays_share_the_work_and_each_letter_is_sent_once(settings: Settings, client: Any) -> None:
    sent: list[str] = []

    def put_more(*movers: Any) -> bool:
        sent.extend(put(client, "mail", *(f"task-{len(sent)}-{number}" for number in range(20))))
        return all(mover.state().get("sent") for mover in movers)

    with moving(settings) as one, moving(settings) as other:
        wait_until(lambda: put_more(one, other), what="work for both")
        found = records(settings, f"mail{settings.kafka_dlq_suffix}", len(sent))

    assert sorted(headers_of(record)["omninode-dlq-id"] for record in found) == sorted(sent)


def test_what_a_dead_relay_has_left_behind_is_taken_over(settings: Settings, client: Any) -> None:
    identities = put(client, "mail", "task-1", "task-2")
    Stream(client, "dead", settings.kafka_dlq_suffix).join()
    client.xreadgroup(GROUP, "dead", {keys.outbox(): ">"})
    pending = client.xpending_range(keys.outbox(), GROUP, "-", "+", 10)
    client.xclaim(keys.outbox(), GROUP, "dead", 0, [each["message_id"] for each in pending], idle=31_000)

    with moving(settings):
        found = records(settings, f"mail{settings.kafka_dlq_suffix}", 2)

    assert {headers_of(record)["omninode-dlq-id"] for record in found} == set(identities)
    assert client.xlen(keys.outbox()) == 0


def test_a_group_that_somebody_deletes_is_made_anew_and_no_letter_is_missed(moved: Place) -> None:
    identities = put(moved.client, "group", "task-1")
    moved.records("group", 1)
    moved.client.xgroup_destroy(keys.outbox(), GROUP)
    identities += put(moved.client, "group", "task-2")
    moved.records("group", 2)
    moved.client.delete(keys.outbox())
    identities += put(moved.client, "group", "task-3")

    found = moved.records("group", 3)
    assert {headers_of(record)["omninode-dlq-id"] for record in found} == set(identities)


def test_a_relay_that_has_gone_is_removed_from_the_group_but_not_what_is_pending_for_it(
    client: Any,
) -> None:
    put(client, "mail", "task-1")
    stream = Stream(client, "one", ".dlq")
    stream.join()
    (entry,) = stream.read(10)

    stream.sweep(leaving=True)
    assert stream.read_again("0-0", 10)[0][0].id == entry.id

    stream.forget([entry.id])
    stream.sweep(leaving=True)
    assert client.xinfo_consumers(keys.outbox(), GROUP) == []


def test_what_is_forgotten_is_neither_pending_nor_there(client: Any) -> None:
    put(client, "mail", "task-1", "task-2")
    stream = Stream(client, "one", ".dlq")
    stream.join()
    first, second = stream.read(10)
    forget = client.register_script(scripts.load("forget"))

    assert forget(keys=[keys.outbox()], args=[GROUP, first.id, "1-1"]) == 1

    assert [each[0].decode() for each in client.xrange(keys.outbox())] == [second.id]
    assert client.xpending(keys.outbox(), GROUP)["pending"] == 1


def test_an_entry_that_is_no_letter_is_sent_as_what_it_is_and_holds_up_no_other(moved: Place) -> None:
    moved.client.xadd(keys.outbox(), {b"queue": b"odd", b"odd\xff": b"\x00\xfe"})
    moved.client.xadd(keys.outbox(), {"queue": "odd", "raw": "[" * 50_000})
    put(moved.client, "odd", "task-1")

    found = moved.records("odd", 3)
    assert {record.value() for record in found if record.key() is None} == {
        b'{"queue": "odd", "odd\\\\xff": "\\\\x00\\\\xfe"}',
        b"[" * 50_000,
    }


def test_a_message_that_no_record_can_hold_is_kept_in_postgresql_and_referred_to(moved: Place) -> None:
    (identity,) = put(moved.client, "large", "task-1", body=[["x" * 70_000], {}, {}])
    raw, _ = message("task-1", [["x" * 70_000], {}, {}])

    (record,) = moved.records("large", 1)

    assert (record.key(), record.value()) == (b"task-1", None)
    assert headers_of(record)["omninode-dlq-value"] == "reference"
    with psycopg.connect(moved.settings.database_url) as database:
        kept = database.execute("SELECT value FROM dead_letter_values WHERE id = %s", (identity,)).fetchall()
    assert kept == [(raw,)]


def test_a_queue_whose_name_kafka_does_not_allow_has_a_topic(moved: Place) -> None:
    queues = ["orders/ä 1", "", "x" * 300]
    for queue in queues:
        put(moved.client, queue, "task-1")

    found = [moved.records(queue, 1) for queue in queues]
    assert [headers_of(record)["omninode-dlq-queue"] for (record,) in found] == queues


def test_without_kafka_letters_are_indexed_at_once(
    settings: Settings, client: Any, database: psycopg.Connection[Any]
) -> None:
    without = settings.model_copy(update={"kafka_enable_dlq": False, "dlq_max_bytes": 65_536})
    small, large = put(client, "mail", "task-1"), put(client, "mail", "task-2", body=[["x" * 70_000], {}, {}])
    raw = client.xrange(keys.outbox())[1][1][b"raw"]

    with moving(without):
        wait_until(lambda: client.xlen(keys.outbox()) == 0, what="an empty outbox")

    assert set(database.execute("SELECT id, task_id, queue, state, topic FROM dead_letters").fetchall()) == {
        (*small, "task-1", "mail", "open", None),
        (*large, "task-2", "mail", "open", None),
    }
    stored = database.execute("SELECT value_is, value FROM dead_letter_deaths ORDER BY value_is").fetchall()
    assert stored == [("body", b'[[1], {"to": "mail@example.org"}, {"callbacks": null}]'), ("envelope", raw)]


def test_an_entry_that_is_put_into_the_overflow_twice_is_one_row(
    settings: Settings, client: Any, database: psycopg.Connection[Any]
) -> None:
    put(client, "mail", "task-1")
    stream, overflow = Stream(client, "one", settings.kafka_dlq_suffix), Overflow(settings.database_url)
    stream.join()
    entries = stream.read(10)

    overflow.put(entries, "too large", 60.0)
    overflow.put(entries)
    overflow.close()

    assert database.execute("SELECT error, attempts, due_at > now() FROM outbox_overflow").fetchall() == [
        ("too large", 0, True)
    ]
