"""Makes of a death the row that PostgreSQL takes; what it would refuse is escaped, cut or hashed."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Json

from orchestrator.deadletter.cutting import cut
from orchestrator.deadletter.death import Death
from orchestrator.storable import escaped

# The columns of dead_letter_deaths, then those that only the letter has, each with its type.
DEATH_COLUMNS = {
    "id": "text",
    "letter_id": "text",
    "replay": "int4",
    "queue": "text",
    "reason": "text",
    "exception": "text",
    "message": "text",
    "traceback": "text",
    "worker": "text",
    "attempts": "int4",
    "deliveries": "int4",
    "first_failed_at": "timestamptz",
    "died_at": "timestamptz",
    "headers": "json",
    "properties": "json",
    "content_type": "text",
    "content_encoding": "text",
    "value": "bytea",
    "value_is": "text",
    "topic": "text",
    "partition": "int4",
    "record_offset": "int8",
    "record_key": "bytea",
}
LETTER_COLUMNS = {
    "task_id": "text",
    "task": "text",
    "correlation_id": "text",
    "fingerprint": "text",
    "is_foreign": "bool",
}

# In characters. An entry of an index has room for some 2,700 bytes, a list of words for a megabyte.
_NAME, _MESSAGE, _TRACEBACK = 500, 10_000, 32_000
_ID = 200
# Whatever a clock said: a moment that PostgreSQL and Python both can write and read.
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9998, 1, 1, tzinfo=UTC)


def row(death: Death) -> list[Any]:
    """The values of all columns, in their order; a death of usual size and content is told unchanged."""
    own_id = identity(death.id) if death.id else _identity_of_bytes(death)
    return [
        own_id,
        identity(death.letter_id) if death.letter_id else own_id,
        death.replay,
        _bounded(death.queue, _NAME),
        _bounded(death.reason, _NAME),
        _bounded(death.exception, _NAME),
        _bounded(death.message, _MESSAGE),
        _bounded(death.traceback, _TRACEBACK),
        _bounded(death.worker, _NAME),
        death.attempts,
        death.deliveries,
        writable(death.first_failed_at),
        writable(death.died_at),
        _json(death.headers),
        _json(death.properties),
        _bounded(death.content_type, _NAME),
        _bounded(death.content_encoding, _NAME),
        death.value,
        death.value_is,
        death.topic,
        death.partition,
        death.offset,
        death.key,
        _bounded(death.task_id, _NAME),
        _bounded(death.task, _NAME),
        _bounded(death.correlation_id, _NAME),
        _bounded(death.fingerprint, _NAME),
        death.is_foreign,
    ]


def least(fitted: list[Any], refusal: str) -> list[Any]:
    """The row of a death that PostgreSQL has refused: its identity, its bytes, and what was said of it."""
    known = dict(zip((*DEATH_COLUMNS, *LETTER_COLUMNS), fitted, strict=True))
    texts = {
        name: _ascii(known[name] or "")
        for name, type_ in (DEATH_COLUMNS | LETTER_COLUMNS).items()
        if type_ == "text" and name not in {"id", "letter_id", "topic"}
    }
    told = {
        "message": f"PostgreSQL refused this letter as it was: {_ascii(refusal)}",
        "traceback": "",
        "headers": _written("{}"),
        "properties": _written("{}"),
        "value_is": known["value_is"] if known["value"] is None else "envelope",
    }
    return list((known | texts | told).values())


def identity(given: str) -> str:
    """The id itself, or its SHA-256 where it is too long or too odd for a key."""
    if len(given) <= _ID and given.isascii() and "\0" not in given:
        return given
    return hashlib.sha256(given.encode(errors="backslashreplace")).hexdigest()


def writable(at: datetime) -> datetime:
    """The moment itself, or the nearest one that PostgreSQL writes and Python reads again."""
    try:
        return min(max(at.astimezone(UTC), _FIRST), _LAST)
    except OverflowError:
        return _FIRST


def _identity_of_bytes(death: Death) -> str:
    return hashlib.sha256(
        f"{death.queue}\n".encode(errors="backslashreplace") + (death.value or b"")
    ).hexdigest()


def _bounded(text: str, most: int) -> str:
    if len(text) > most:
        return cut(text, most)
    # Most texts need nothing, and to see that is far cheaper than to escape.
    return text if text.isascii() and "\0" not in text else escaped(text)


def _ascii(text: str) -> str:
    return text[:_ID].encode("ascii", errors="backslashreplace").decode().replace("\0", "\\x00")


def _json(content: Any) -> Json:
    for attempt in (_as_it_is, _without_what_json_lacks):
        try:
            return _written(attempt(content))
        except (TypeError, ValueError, RecursionError):
            continue
    return _written("{}")


def _written(text: str) -> Json:
    return Json(text, dumps=str)


def _as_it_is(content: Any) -> str:
    return json.dumps(content, allow_nan=False)


def _without_what_json_lacks(content: Any) -> str:
    # Python also reads and writes the numbers NaN and Infinity.
    return json.dumps(_without_nan(content), allow_nan=False, default=repr)


def _without_nan(content: Any) -> Any:
    if isinstance(content, float) and not math.isfinite(content):
        return str(content)
    if isinstance(content, dict):
        return {str(name): _without_nan(inner) for name, inner in content.items()}
    if isinstance(content, list | tuple):
        return [_without_nan(inner) for inner in content]
    return content
