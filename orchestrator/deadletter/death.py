"""One death of a message, as everything after the outbox knows it: what it said, why it ended, its bytes."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from orchestrator.deadletter import event
from orchestrator.deadletter.fingerprint import fingerprint

# In a message's headers: the letter that it is a replay of, the number of that replay, and earlier attempts.
LETTER = "omninode-letter"
REPLAYS = "omninode-replays"
FAILURES = "omninode-failures"

# What fits into a column.
_MOST_REPLAYS = 2**31
_LONGEST_ID = 500

ValueIs = Literal["body", "envelope", "reference"]
_ENVELOPE = frozenset({"body", "content-encoding", "content-type", "headers", "properties"})


@dataclass(frozen=True)
class Death:
    """A message that failed for good.

    `id` is that of this death, `letter_id` that of the first one of the same message; `replay` is 0 for that
    one. `value` is the original body, or the whole message where `value_is` is "envelope": where it could not
    be taken apart without loss. For "reference" it is None, and kept in PostgreSQL under `id`. Times have
    their zone. Of an event that could not be published `value` is the event, `key` its key, and one of the
    `headers` says so. Of a foreign record `headers` are all that it has, as texts, and `key` is its key; its
    value may be None, and nobody counts its `attempts` and `deliveries`: they are 0.
    """

    id: str
    letter_id: str
    reason: str
    task_id: str
    task: str
    queue: str
    correlation_id: str
    exception: str
    message: str
    traceback: str
    fingerprint: str
    worker: str
    attempts: int
    deliveries: int
    replay: int
    first_failed_at: datetime
    died_at: datetime
    value: bytes | None
    value_is: ValueIs
    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    content_type: str = ""
    content_encoding: str = ""
    is_foreign: bool = False
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    key: bytes | None = None

    @property
    def is_tombstone(self) -> bool:
        """Whether it is another program's record without a value."""
        return self.is_foreign and self.value is None and self.value_is != "reference"


def from_outbox(fields: Mapping[str, str], raw: bytes) -> Death:
    """Read an entry of the outbox; `raw` is the message as it lay in its list.

    Whatever is missing is empty: an entry that somebody else has written must not stop the others.
    """
    value, value_is, envelope = _of_event(fields, raw) if event.FIELD in fields else _take_apart(raw)
    headers = envelope.get("headers", {})
    properties = envelope.get("properties", {})
    died_at = moment(fields.get("died_at", "")) or datetime.now(UTC)
    reason, task, exception, traceback = (
        fields.get(name, "") for name in ("reason", "task", "exception", "traceback")
    )
    letter_id, replay = replay_of(headers) or (fields.get("id", ""), 0)
    return Death(
        id=fields.get("id", ""),
        letter_id=letter_id,
        reason=reason,
        # A message that could not be read as one may name its task all the same.
        task_id=fields.get("task_id", "") or _text(headers.get("id")),
        task=task or _text(headers.get("task")),
        queue=fields.get("queue", ""),
        correlation_id=_text(properties.get("correlation_id")),
        exception=exception,
        message=fields.get("message", ""),
        traceback=traceback,
        fingerprint=fingerprint(reason, task, exception, traceback),
        worker=fields.get("worker", ""),
        attempts=number(fields.get("attempts", ""), 1),
        deliveries=number(fields.get("deliveries", ""), 1),
        replay=replay,
        first_failed_at=_first_failure(headers) or died_at,
        died_at=died_at,
        value=value,
        value_is=value_is,
        headers=headers,
        properties=properties,
        content_type=_text(envelope.get("content-type")),
        content_encoding=_text(envelope.get("content-encoding")),
        key=event.key_of(headers.get(event.HEADER)),
    )


def replay_of(headers: Any) -> tuple[str, int] | None:
    """The letter that a message is a replay of, and the number of that replay; None where it is none."""
    if not isinstance(headers, Mapping):
        return None
    letter_id, replay = headers.get(LETTER), headers.get(REPLAYS)
    if not isinstance(letter_id, str) or not isinstance(replay, int) or isinstance(replay, bool):
        return None
    # An id of ours is: whatever else stands there can be kept by neither Redis nor PostgreSQL for certain.
    is_id = letter_id.isascii() and letter_id.isprintable() and 0 < len(letter_id) <= _LONGEST_ID
    return (letter_id, replay) if is_id and 0 < replay < _MOST_REPLAYS else None


def moment(text: Any) -> datetime | None:
    """A time in ISO 8601, aware; None where it is none."""
    try:
        read = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def number(text: Any, otherwise: int = 0) -> int:
    """A whole number that fits into a column; `otherwise` where it is none."""
    try:
        return min(max(int(text), 0), _MOST_REPLAYS - 1)
    except (TypeError, ValueError):
        return otherwise


def _of_event(fields: Mapping[str, str], raw: bytes) -> tuple[bytes, ValueIs, dict[str, Any]]:
    """An event is no message, whatever it looks like."""
    return raw, "envelope", {"headers": {event.HEADER: fields[event.FIELD]}, "properties": {}}


def _take_apart(raw: bytes) -> tuple[bytes, ValueIs, dict[str, Any]]:
    """The body, and the rest of the envelope, if both together say all that `raw` says; else `raw` itself."""
    try:
        envelope = json.loads(raw)
    except (ValueError, RecursionError):
        return raw, "envelope", {}
    if not isinstance(envelope, dict):
        return raw, "envelope", {}
    readable = {
        name: envelope[name] if isinstance(envelope.get(name), dict) else {}
        for name in ("headers", "properties")
    }
    body = _body(envelope)
    if body is None:
        return raw, "envelope", readable
    return body, "body", envelope | readable


def _body(envelope: dict[str, Any]) -> bytes | None:
    if set(envelope) != _ENVELOPE:
        return None
    if not isinstance(envelope["headers"], dict) or not isinstance(envelope["properties"], dict):
        return None
    if not all(isinstance(envelope[name], str) for name in ("body", "content-type", "content-encoding")):
        return None
    if envelope["properties"].get("body_encoding") != "base64":
        return None
    try:
        body = base64.b64decode(envelope["body"], validate=True)
    except (binascii.Error, ValueError):
        return None
    return body if base64.b64encode(body).decode() == envelope["body"] else None


def _first_failure(headers: Mapping[str, Any]) -> datetime | None:
    failures = headers.get(FAILURES)
    if isinstance(failures, list) and failures and isinstance(failures[0], list) and failures[0]:
        return moment(failures[0][0])
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
