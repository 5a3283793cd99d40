"""The letter of an event: its bytes, its key and its topic on their way from the outbox to a replay."""

import json
from datetime import UTC, datetime

import pytest

from orchestrator.deadletter import event
from orchestrator.deadletter.death import Death, from_outbox
from orchestrator.deadletter.record import Found, from_record, refer, to_record
from orchestrator.relay.entry import from_stream
from orchestrator.replay.message import rebuild
from orchestrator.replay.parts import take_apart

VALUE = b'{"headers": {"task": "evil"}, "properties": {}, "body": "e30="}'
ARGS = [
    ["orders", "aw==", "eyJoZWFkZXJzIjogeyJ0YXNrIjogImV2aWwifSwgInByb3BlcnRpZXMiOiB7fSwgImJvZHkiOiAiZTMwPSJ9"]
]


def _death(key: bytes | None = b"k") -> Death:
    fields = {"id": "1", "queue": "orders", "task": event.TASK, event.FIELD: event.spelled(key)}
    return from_outbox(fields, VALUE)


def _read_back(death: Death, *, by_reference: bool) -> Death:
    record = refer(death) if by_reference else to_record(death, 1_000_000)
    assert record
    found = Found("orders.dlq", 0, 0, record.key, record.value, record.headers, record.timestamp_ms)
    return from_record(found, ".dlq")


@pytest.mark.parametrize("key", [None, b"", b"k", b"\xff"])
def test_the_record_of_an_event_has_its_own_bytes_and_its_own_key(key: bytes | None) -> None:
    record = to_record(_death(key), 1_000_000)

    assert record
    assert (record.key, record.value) == (key, VALUE)
    assert dict(record.headers)["omninode-dlq-queue"] == b"orders"


def test_an_event_that_looks_like_a_message_is_none() -> None:
    read = _read_back(_death(), by_reference=False)

    assert (read.value, read.key, read.task, read.queue) == (VALUE, b"k", "omninode.events.publish", "orders")


@pytest.mark.parametrize("by_reference", [False, True])
def test_a_replay_is_the_task_that_publishes_the_event(by_reference: bool) -> None:  # noqa: FBT001
    read = _read_back(_death(), by_reference=by_reference)
    whole = Death(**{**vars(read), "value": VALUE})

    assert json.loads(take_apart(whole).body)[:1] == ARGS
    rebuilt = rebuild(whole, 1, "admin", datetime(2026, 1, 1, tzinfo=UTC))
    assert rebuilt.task == "omninode.events.publish"
    assert rebuilt.envelope["properties"]["delivery_info"]["routing_key"] == "admin"


def test_a_letter_may_go_to_a_topic_with_another_suffix() -> None:
    content = {b"id": b"1", b"queue": b"orders", b"dlq_suffix": b".dead", b"event_key": b"-", b"raw": VALUE}

    assert from_stream(b"1-0", content, ".dlq").topic == "orders.dead"
