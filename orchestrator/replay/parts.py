"""Takes the message of a death apart, also one that was written by another program or that is damaged."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.deadletter import event
from orchestrator.deadletter.death import Death, from_outbox
from orchestrator.errors import NotReplayable

JSON, UTF_8 = "application/json", "utf-8"
_LOST = "its message is kept nowhere any more: it was too large for a record, and PostgreSQL has lost it"
_ENVELOPE = frozenset({"body", "content-encoding", "content-type", "headers", "properties"})


@dataclass(frozen=True)
class Parts:
    """A message: its headers and properties, its body, and how that is to be read.

    `rest` is what else stood in the envelope.
    """

    headers: dict[str, Any]
    properties: dict[str, Any]
    body: bytes
    content_type: str = JSON
    content_encoding: str = UTF_8
    rest: dict[str, Any] = field(default_factory=dict)


def take_apart(death: Death) -> Parts:
    """The parts, as far as there are any; where there is nothing but bytes, they are the body.

    Raises:
        NotReplayable: the bytes are lost.
    """
    if event.is_event(death.headers) and death.value is not None:
        return _of_event(death, death.value)
    if death.value_is == "reference" and death.value is not None:
        death = from_outbox({"id": death.id, "task": death.task}, death.value)
    value = b"" if death.is_tombstone else death.value
    if value is None:
        raise NotReplayable(_LOST)
    if death.value_is == "envelope":
        return _of_envelope(death, value)
    if not death.is_foreign:
        return Parts(
            dict(death.headers), dict(death.properties), value, death.content_type, death.content_encoding
        )
    return Parts(
        _typed(death.headers), {}, value, death.content_type or JSON, death.content_encoding or UTF_8
    )


def _of_event(death: Death, value: bytes) -> Parts:
    """The task that publishes the event: its topic, and its key and its bytes in base64."""
    key = event.key_of(death.headers[event.HEADER])
    body = [
        [
            death.queue,
            None if key is None else base64.b64encode(key).decode(),
            base64.b64encode(value).decode(),
        ],
        {},
        {},
    ]
    # Events may share a key; tasks do not share an id.
    task_id = str(uuid.uuid5(uuid.NAMESPACE_OID, death.letter_id))
    headers = {
        "lang": "py",
        "task": event.TASK,
        "id": task_id,
        "root_id": task_id,
        "parent_id": None,
        "group": None,
        "argsrepr": f"({death.queue!r}, …)",
        "kwargsrepr": "{}",
    }
    return Parts(headers, {}, json.dumps(body).encode())


def read_json(raw: bytes | str) -> Any:
    """What JSON says; None where it is none."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _of_envelope(death: Death, raw: bytes) -> Parts:
    envelope = read_json(raw)
    if not isinstance(envelope, dict) or not _ENVELOPE & envelope.keys():
        return Parts({}, {}, raw)
    headers, properties = envelope.get("headers"), envelope.get("properties")
    properties = dict(properties) if isinstance(properties, dict) else {}
    return Parts(
        dict(headers) if isinstance(headers, dict) else {},
        properties,
        _body(envelope.get("body", ""), properties.get("body_encoding")),
        _text(envelope.get("content-type")) or death.content_type or JSON,
        _text(envelope.get("content-encoding")) or death.content_encoding or UTF_8,
        {name: value for name, value in envelope.items() if name not in _ENVELOPE},
    )


def _body(body: Any, encoding: Any) -> bytes:
    """The body's bytes, whether it is in base64, as kombu writes it, or plain."""
    if not isinstance(body, str):
        return json.dumps(body).encode()
    if encoding is None and read_json(body) is not None:
        return body.encode(errors="backslashreplace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        return body.encode(errors="backslashreplace")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _typed(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Headers of Kafka are texts: those that Celery knows, as what it expects."""
    typed: dict[str, Any] = {}
    for name, value in headers.items():
        kind = _KINDS.get(name)
        if kind and (read := kind(str(value))) is not None:
            typed[name] = read
    return typed


def _plain(text: str) -> str | None:
    return None if text in {"", "None", "null"} else text


def _of_json(*kinds: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = read_json(text.lower() if text in {"True", "False"} else text)
        return value if isinstance(value, kinds) else None

    return read


_KINDS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(
        ("lang", "task", "id", "shadow", "eta", "expires", "group", "root_id", "parent_id"), _plain
    ),
    **dict.fromkeys(("argsrepr", "kwargsrepr", "origin", "compression"), _plain),
    **dict.fromkeys(("group_index", "replaced_task_nesting"), _of_json(int)),
    **dict.fromkeys(("timelimit", "stamped_headers"), _of_json(list)),
    "ignore_result": _of_json(bool),
    "stamps": _of_json(dict),
}
