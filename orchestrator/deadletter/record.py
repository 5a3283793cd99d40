"""A death as a record of Kafka: its headers and bounds, written by the relay and read by the index."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from typing import Any

from orchestrator import redaction
from orchestrator.deadletter import event, foreign
from orchestrator.deadletter.cutting import cut
from orchestrator.deadletter.death import Death, moment, number

SCHEMA = 1
_DLQ = "omninode-dlq-"
_SPRING = "kafka_dlt-"
# Bounds in characters: Sidekiq's for a message; of a traceback head and tail are kept, as Wolverine does.
_MESSAGE, _TRACEBACK, _REPR, _NAME = 10_000, 8_192, 2_000, 500
# What explains a letter shall not be larger than that, in bytes: message and traceback are there twice, for
# us and for Spring. Where it is, as not all text is ASCII or a header is long, the bounds are tighter.
_EXPLANATION_BYTES = 64 * 1024
_TIGHT_MESSAGE, _TIGHT_TRACEBACK, _TIGHT_REPR = 1_000, 2_048, 200
# What the broker adds to a record and its batch.
_OVERHEAD_BYTES = 1_024
_REPRS = ("argsrepr", "kwargsrepr")


@dataclass(frozen=True)
class Record:
    """What is produced: a key, a value, headers, and the time of death in ms since 1970."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    timestamp_ms: int

    @cached_property
    def size(self) -> int:
        """Bytes, roughly as the broker counts them."""
        named = sum(map(len, chain.from_iterable(self.headers))) + 4 * len(self.headers)
        return len(self.key or b"") + len(self.value or b"") + named + _OVERHEAD_BYTES


def to_record(death: Death, max_bytes: int) -> Record | None:
    """The record of a death; None where it is larger than `max_bytes` with the least of explanations.

    Its message then has to be kept in PostgreSQL, and `refer` makes the record that refers to it.
    """
    record = _write(death, _MESSAGE, _TRACEBACK, _REPR)
    explained = record.size - len(record.value or b"")
    if explained > _EXPLANATION_BYTES or record.size > max_bytes:
        record = _write(death, _TIGHT_MESSAGE, _TIGHT_TRACEBACK, _TIGHT_REPR)
    return record if record.size <= max_bytes else None


def refer(death: Death) -> Record:
    """The record of a death whose message is kept in PostgreSQL, under the death's id."""
    headers = death.headers if event.is_event(death.headers) else {}
    bare = replace(death, value=None, value_is="reference", headers=headers, properties={})
    return _write(bare, _TIGHT_MESSAGE, _TIGHT_TRACEBACK, _TIGHT_REPR)


@dataclass(frozen=True)
class Found:
    """A record as a consumer got it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Iterable[tuple[str, bytes | None]]
    timestamp_ms: int


def from_record(found: Found, suffix: str) -> Death:
    """Read a record; one that another program has written becomes a foreign death, whatever is in it.

    `suffix` is what the name of a dead-letter topic has more than its queue's.
    """
    headers = {name: (content or b"").decode(errors="backslashreplace") for name, content in found.headers}
    at = datetime.fromtimestamp(max(found.timestamp_ms, 0) / 1000, UTC)
    if _is_ours(headers):
        death = _read(headers, found.value, at)
    else:
        place = f"{found.topic}/{found.partition}/{found.offset}"
        death = foreign.read(place, found.topic.removesuffix(suffix), found.value, headers, at)
        death = replace(death, key=found.key)
    return replace(death, topic=found.topic, partition=found.partition, offset=found.offset)


def _is_ours(headers: Mapping[str, str]) -> bool:
    value_is = headers.get(f"{_DLQ}value")
    return (
        headers.get(f"{_DLQ}schema") == str(SCHEMA)
        and bool(headers.get(f"{_DLQ}id"))
        and value_is
        in {
            "body",
            "envelope",
            "reference",
        }
    )


def _write(death: Death, message_most: int, traceback_most: int, repr_most: int) -> Record:
    shown = {
        "message": redaction.text(death.message),
        "traceback": redaction.text(death.traceback),
        **{name: redaction.text(str(death.headers.get(name, ""))) for name in _REPRS},
    }
    most = {"message": message_most, "traceback": traceback_most, **dict.fromkeys(_REPRS, repr_most)}
    bounded = {name: cut(text, most[name]) for name, text in shown.items()}
    originals = {"message": death.message, "traceback": death.traceback} | {
        name: str(death.headers.get(name, "")) for name in _REPRS
    }
    task_headers = dict(death.headers) | {
        name: bounded[name] for name in _REPRS if isinstance(death.headers.get(name), str)
    }
    own = {
        "schema": str(SCHEMA),
        "id": death.id,
        "letter": death.letter_id,
        "reason": death.reason,
        "task": cut(death.task, _NAME),
        "queue": cut(death.queue, _NAME),
        "attempts": str(death.attempts),
        "deliveries": str(death.deliveries),
        "replays": str(death.replay),
        "first-failure": death.first_failed_at.isoformat(timespec="milliseconds"),
        "last-failure": death.died_at.isoformat(timespec="milliseconds"),
        "exception": cut(death.exception, _NAME),
        "message": bounded["message"],
        "traceback": bounded["traceback"],
        "fingerprint": death.fingerprint,
        "worker": cut(death.worker, _NAME),
        "task-id": cut(death.task_id, _NAME),
        "correlation-id": cut(death.correlation_id, _NAME),
        "value": death.value_is,
        "truncated": ",".join(name for name in bounded if bounded[name] != shown[name]),
        "redacted": ",".join(name for name in shown if shown[name] != originals[name]),
    }
    spring = {
        "original-topic": own["queue"],
        "exception-fqcn": own["exception"],
        "exception-message": own["message"],
        "exception-stacktrace": own["traceback"],
    }
    rest = {
        "celery-headers": json.dumps(task_headers),
        "celery-properties": json.dumps(dict(death.properties)),
        "content-type": death.content_type,
        "content-encoding": death.content_encoding,
    }
    named = [
        *((_DLQ + name, text) for name, text in own.items()),
        *rest.items(),
        *((_SPRING + name, text) for name, text in spring.items()),
    ]
    return Record(
        key=_key(death),
        value=death.value,
        headers=[(name, _bytes(text)) for name, text in named],
        timestamp_ms=int(death.died_at.timestamp() * 1000),
    )


def _key(death: Death) -> bytes | None:
    if event.is_event(death.headers):
        return death.key
    return cut(death.task_id, _NAME).encode(errors="backslashreplace") or None


def _bytes(text: str) -> bytes:
    return text.encode() if text.isascii() else text.encode(errors="backslashreplace")


def _read(headers: Mapping[str, str], value: bytes | None, at: datetime) -> Death:
    own = {name.removeprefix(_DLQ): text for name, text in headers.items() if name.startswith(_DLQ)}
    died_at = moment(own.get("last-failure")) or at
    value_is: Any = own["value"]
    task_headers = _object(headers.get("celery-headers"))
    return Death(
        id=own["id"],
        letter_id=own.get("letter") or own["id"],
        reason=own.get("reason", ""),
        task_id=own.get("task-id", ""),
        task=own.get("task", ""),
        queue=own.get("queue", ""),
        correlation_id=own.get("correlation-id", ""),
        exception=own.get("exception", ""),
        message=own.get("message", ""),
        traceback=own.get("traceback", ""),
        fingerprint=own.get("fingerprint", ""),
        worker=own.get("worker", ""),
        attempts=number(own.get("attempts"), 1),
        deliveries=number(own.get("deliveries"), 1),
        replay=number(own.get("replays")),
        first_failed_at=moment(own.get("first-failure")) or died_at,
        died_at=died_at,
        value=None if value_is == "reference" else value or b"",
        value_is=value_is,
        headers=task_headers,
        properties=_object(headers.get("celery-properties")),
        content_type=headers.get("content-type", ""),
        content_encoding=headers.get("content-encoding", ""),
        key=event.key_of(task_headers.get(event.HEADER)),
    )


def _object(text: str | None) -> dict[str, Any]:
    try:
        read = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
