"""Makes of an event what is published: its topic, its key and its bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from orchestrator import redaction
from orchestrator.errors import InvalidEvent
from orchestrator.kafka.naming import topic_refusal

# What an event itself may call its key, the first that is there.
_KEYS = ("key", "id", "correlation_id")
# A letter keeps a key whole in a header, of which Kafka takes no more than of a record altogether.
_LONGEST_KEY = 4096
_EVENTS = "a dict, a list, text, bytes, a dataclass, or an object with model_dump_json()"


class Message(NamedTuple):
    """What goes to Kafka."""

    topic: str
    key: bytes | None
    value: bytes


# Asked of every event: a tuple is looked through faster than a union. None of them says its topic or key.
_BARE = (bytes, str, bytearray, memoryview, list)
_KEPT = (bytes, bytearray, memoryview)


def write(event: Any, topic: Any, key: Any, default_topic: str) -> Message:
    """The message of an event; what was given of topic and key goes before what the event says of them.

    Raises:
        InvalidEvent: it cannot be written as JSON, or what is given as topic or key is none.
    """
    if key is not None and not isinstance(key, bytes | str):
        raise InvalidEvent(f"key {_shown(key)} must be text or bytes")
    try:
        chosen = topic if topic is not None else _topic_of(event) or default_topic
        found = _key_of(event) if key is None else key
    except Exception as error:
        # An event's own code has raised it.
        said = redaction.text(f"{type(error).__name__}: {error}")
        raise InvalidEvent(f"the event does not say its topic or its key: {said}") from error
    if refusal := topic_refusal(chosen):
        raise InvalidEvent(f"topic {_shown(chosen)} {refusal}")
    written = _bytes(found, "its key") if isinstance(found, str) else found
    if written is not None and len(written) > _LONGEST_KEY:
        raise InvalidEvent(f"its key has {len(written)} bytes, and may have {_LONGEST_KEY}: let it be a name")
    return Message(chosen, written, _value_of(event))


def _topic_of(event: Any) -> str | None:
    if isinstance(event, _BARE):
        return None
    if isinstance(event, Mapping):
        return _text(event.get("topic"))
    ask = getattr(event, "to_kafka_topic", None)
    if callable(ask) and (named := _text(ask())) is not None:
        return named
    return _text(getattr(event, "topic", None))


def _key_of(event: Any) -> str | bytes | None:
    if isinstance(event, _BARE):
        return None
    is_mapping = isinstance(event, Mapping)
    for name in _KEYS:
        named = event.get(name) if is_mapping else getattr(event, name, None)
        if isinstance(named, str | bytes) and named:
            return named
        if isinstance(named, UUID):
            return str(named)
    return None


def _shown(value: Any) -> str:
    return redaction.text(f"{value!r}")[:80]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _value_of(event: Any) -> bytes:
    if isinstance(event, _KEPT):
        return bytes(event)
    if isinstance(event, str):
        return _bytes(event, "its text")
    try:
        return _bytes(_json(event), "its text")
    except InvalidEvent:
        raise
    except Exception as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise InvalidEvent(f"the event cannot be written as JSON: {reason}") from error


def _json(event: Any) -> str:
    if isinstance(event, dict | list | tuple):
        return _ENCODER.encode(event)
    dump = getattr(event, "model_dump_json", None)
    if callable(dump) and not isinstance(event, type):
        dumped = dump()
        return _checked(dumped if isinstance(dumped, str) else bytes(dumped).decode())
    if is_dataclass(event) and not isinstance(event, type):
        return _ENCODER.encode(asdict(event))
    if isinstance(event, Mapping):
        return _ENCODER.encode(dict(event))
    raise InvalidEvent(f"an event is {_EVENTS}, not {_shown(event)}")


def _checked(text: str) -> str:
    """What a model has written, which may choose to write NaN."""
    if "NaN" in text or "Infinity" in text:
        json.loads(text, parse_constant=_refuse)
    return text


def _refuse(constant: str) -> None:
    message = f"{constant} is no JSON"
    raise ValueError(message)


def _plain(value: Any) -> Any:
    """What JSON has no word for, in the usual spelling."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no form in JSON")


# Made once: to make one for each event costs as much as to use it. NaN is no JSON.
_ENCODER = json.JSONEncoder(default=_plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _bytes(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidEvent(f"{what} is not Unicode that UTF-8 can hold: {error.reason}") from None
