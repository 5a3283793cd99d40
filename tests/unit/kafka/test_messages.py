"""What is made of an event: its topic, its key, its bytes; and what is refused."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from orchestrator.errors import InvalidEvent, InvalidKafkaClient
from orchestrator.kafka import KafkaClient
from orchestrator.kafka.message import Message, write


@dataclass
class Order:
    number: int
    topic: str = "orders"
    id: str = "o-1"


class Paid(BaseModel):
    correlation_id: UUID = UUID(int=7)
    amount: float = 1.5

    def to_kafka_topic(self) -> str:
        return "payments"


def _written(event: Any, topic: Any = None, key: Any = None) -> Message:
    return write(event, topic, key, "usual")


@pytest.mark.parametrize(
    ("event", "value"),
    [
        (
            {"at": datetime(2026, 1, 2, tzinfo=UTC), "é": 1},
            '{"at":"2026-01-02T00:00:00+00:00","é":1}'.encode(),
        ),
        ([1, None], b"[1,null]"),
        ("text", b"text"),
        (b"\xff", b"\xff"),
        (Order(7), b'{"number":7,"topic":"orders","id":"o-1"}'),
        (Paid(), b'{"correlation_id":"00000000-0000-0000-0000-000000000007","amount":1.5}'),
    ],
)
def test_an_event_is_written(event: Any, value: bytes) -> None:
    assert _written(event).value == value


def test_topic_and_key_are_those_given_or_the_event_s_own_or_the_usual_ones() -> None:
    assert _written(Order(7), "given", b"k") == Message("given", b"k", _written(Order(7)).value)
    assert (_written(Order(7)).topic, _written(Order(7)).key) == ("orders", b"o-1")
    assert _written(Paid()).topic == "payments"
    assert _written(Paid()).key == b"00000000-0000-0000-0000-000000000007"
    assert (_written({"topic": "t", "key": "k"}).topic, _written({"topic": "t", "key": "k"}).key) == (
        "t",
        b"k",
    )
    assert (_written({"topic": 7}).topic, _written("text").key) == ("usual", None)


def _endless() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    "event",
    [None, 7, object(), {"x": float("nan")}, {"x": object()}, {(1, 2): 3}, _endless(), "\ud800", Paid],
)
def test_what_cannot_be_written_is_refused(event: Any) -> None:
    with pytest.raises(InvalidEvent):
        _written(event)


@pytest.mark.parametrize("topic", ["", "a b", "ü", "..", "x" * 250, 7, b"bytes"])
def test_what_is_no_topic_is_refused_by_name(topic: Any) -> None:
    with pytest.raises(InvalidEvent, match="must be the name of a topic"):
        _written("text", topic)


def test_a_key_that_is_neither_text_nor_bytes_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="key 7 must be text or bytes"):
        _written("text", key=7)


def test_a_key_that_no_letter_could_keep_is_refused() -> None:
    assert _written("text", key=b"k" * 4096).key == b"k" * 4096
    with pytest.raises(InvalidEvent, match="its key has 4097 bytes, and may have 4096"):
        _written("text", key=b"k" * 4097)


def test_what_an_event_s_own_code_raises_makes_it_no_event() -> None:
    class Odd(BaseModel):
        @property
        def topic(self) -> str:
            raise LookupError("nowhere")

    with pytest.raises(InvalidEvent, match="does not say its topic or its key: LookupError: nowhere"):
        _written(Odd())


def test_a_model_that_writes_nan_is_refused_and_one_that_speaks_of_it_is_not() -> None:
    class Measured(BaseModel, ser_json_inf_nan="constants"):
        value: float | str

    with pytest.raises(InvalidEvent, match="NaN is no JSON"):
        _written(Measured(value=float("nan")))
    assert _written(Measured(value="NaN")).value == b'{"value":"NaN"}'


def test_what_json_has_no_word_for_is_written_in_the_usual_spelling() -> None:
    event = {
        "on": date(2026, 1, 2),
        "at": datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
        "of": UUID(int=7),
        "total": Decimal("12.50"),
        "paid": Paid(),
        7: True,
    }

    assert json.loads(_written(event).value) == {
        "on": "2026-01-02",
        "at": "2026-01-02T03:04:05.000006+00:00",
        "of": "00000000-0000-0000-0000-000000000007",
        "total": "12.50",
        "paid": {"correlation_id": "00000000-0000-0000-0000-000000000007", "amount": 1.5},
        "7": True,
    }


def test_a_client_says_what_it_was_made_with() -> None:
    client = KafkaClient("localhost:29092", False, ".dead", 2, 0.5, 7, "orders")

    assert (client.bootstrap_servers, client.enable_dead_letter_queue) == ("localhost:29092", False)
    assert (client.dead_letter_topic_suffix, client.default_topic) == (".dead", "orders")
    assert (client.max_retry_attempts, client.retry_backoff_base, client.timeout_seconds) == (2, 0.5, 7)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bootstrap_servers", "nowhere"),
        ("enable_dead_letter_queue", "yes"),
        ("dead_letter_topic_suffix", "/"),
        ("max_retry_attempts", -1),
        ("max_retry_attempts", 1.5),
        ("retry_backoff_base", float("nan")),
        ("timeout_seconds", 0),
        ("timeout_seconds", float("inf")),
        ("default_topic", "a b"),
    ],
)
def test_a_client_refuses_by_name_what_cannot_be(name: str, value: Any) -> None:
    with pytest.raises(InvalidKafkaClient, match=f"^{name}="):
        KafkaClient(**{name: value})
