"""What dead-letter topics are called."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.deadletter.naming import topic_of


@pytest.mark.parametrize(
    ("queue", "topic"),
    [
        ("celery", "celery.dlq"),
        ("orders.eu-1_x", "orders.eu-1_x.dlq"),
        ("celery.dlq", "celery.dlq"),
        (".dlq", ".dlq"),
        ("", "unknown-e3b0c442.dlq"),
        ("a b", "a_b-c8687a08.dlq"),
        ("a/b", "a_b-c14cddc0.dlq"),
    ],
)
def test_a_topic_is_called_after_its_queue(queue: str, topic: str) -> None:
    assert topic_of(queue, ".dlq") == topic


@given(st.text(max_size=400), st.from_regex(r"\A[A-Za-z0-9._-]{1,100}\Z"))
def test_kafka_allows_the_name_whatever_the_queue_is_called(queue: str, suffix: str) -> None:
    topic = topic_of(queue, suffix)

    assert re.fullmatch(r"[A-Za-z0-9._-]{1,249}", topic)
    assert topic.endswith(suffix)


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_two_queues_share_a_topic(one: str, other: str) -> None:
    is_same = one.removesuffix(".dlq") == other.removesuffix(".dlq")

    assert is_same or topic_of(one, ".dlq") != topic_of(other, ".dlq")
