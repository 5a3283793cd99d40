"""Records of other programs in a dead-letter topic."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.deadletter.death import Death
from orchestrator.deadletter.record import Found, from_record


def _read(value: bytes | None, headers: dict[str, bytes | None], offset: int = 7) -> Death:
    found = Found("mail.dlq", 1, offset, b"key", value, list(headers.items()), 1_750_000_000_000)
    return from_record(found, ".dlq")


@given(
    st.none() | st.binary(max_size=200),
    st.dictionaries(st.text(max_size=20), st.none() | st.binary(max_size=50), max_size=5),
)
def test_whatever_is_in_a_record_it_is_a_death(value: bytes | None, headers: dict[str, bytes | None]) -> None:
    death = _read(value, headers)

    assert death.is_foreign
    assert (death.reason, death.queue, death.value) == ("foreign", "mail", value)
    assert (death.topic, death.partition, death.offset) == ("mail.dlq", 1, 7)


def test_its_key_and_headers_are_kept_and_nothing_is_made_up() -> None:
    death = _read(b"a,b", {"origin": b"mail \xff", "nothing": None})

    assert (death.key, death.headers) == (b"key", {"origin": "mail \\xff", "nothing": ""})
    assert (death.attempts, death.deliveries, death.content_type) == (0, 0, "")


def test_a_record_without_a_value_is_a_tombstone_and_an_empty_one_is_not() -> None:
    assert _read(None, {}).is_tombstone
    assert not _read(b"", {}).is_tombstone


def test_another_record_at_the_place_of_one_in_a_deleted_topic_is_a_letter_of_its_own() -> None:
    assert _read(b"a", {}).id != _read(b"b", {}).id


def test_each_record_is_a_letter_of_its_own_and_the_same_one_each_time_it_is_read() -> None:
    assert _read(b"x", {}).id == _read(b"x", {}).id
    assert _read(b"x", {}).id != _read(b"x", {}, offset=8).id


@pytest.mark.parametrize(
    ("exception", "message"),
    [
        ("kafka_dlt-exception-fqcn", "kafka_dlt-exception-message"),
        ("__connect.errors.exception.class.name", "__connect.errors.exception.message"),
        ("__streams.errors.exception", "__streams.errors.message"),
        ("dead-letter-exception-class-name", "dead-letter-reason"),
    ],
)
def test_springs_connects_streams_and_smallryes_headers_explain_it(exception: str, message: str) -> None:
    death = _read(b"x", {exception: b"java.io.IOException", message: b"disk full"})

    assert (death.exception, death.message) == ("java.io.IOException", "disk full")


def test_a_value_that_is_a_celery_message_names_its_task() -> None:
    death = _read(json.dumps({"headers": {"task": "mail.send", "id": "task-1"}}).encode(), {})

    assert (death.task, death.task_id, death.value_is) == ("mail.send", "task-1", "envelope")


def test_headers_of_a_celery_message_name_its_task_and_the_value_is_its_body() -> None:
    death = _read(b"[]", {"task": b"mail.send", "id": b"task-1"})

    assert (death.task, death.task_id, death.value_is) == ("mail.send", "task-1", "body")


def test_a_schema_of_a_later_release_is_not_guessed_at() -> None:
    headers: dict[str, bytes | None] = {
        "omninode-dlq-schema": b"2",
        "omninode-dlq-id": b"a",
        "omninode-dlq-value": b"body",
    }

    assert _read(b"x", headers).is_foreign
