"""The story of a letter as JSON tells it: what the message said is decoded as far as that is safe."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestrator import redaction
from orchestrator.deadletter import event
from orchestrator.deadletter.cutting import cut
from orchestrator.deadletter.death import FAILURES

if TYPE_CHECKING:
    from orchestrator.deadletter.death import Death
    from orchestrator.index.story import Story

# Of a message's arguments, and of each of its headers, in characters.
_MOST = 10_000
_MOST_OF_EVENT = 4_000
_DEEPEST = 100
_FAILURE_FIELDS = ("at", "exception", "message", "worker")
# The body of a message of Celery's second protocol: args, kwargs, and what is linked to it.
_PROTOCOL_2 = (2, 3)


def tell(story: Story) -> dict[str, Any]:
    """Everything about the letter; secrets are masked by whoever prints it."""
    deaths = [_tell_death(death) for death in story.deaths]
    return {
        "letter": story.letter,
        "deaths": deaths,
        "history": story.history,
        "replay": _tell_replay(story),
    }


def _tell_death(death: Death) -> dict[str, Any]:
    return {
        "id": death.id,
        "replay": death.replay,
        "died_at": death.died_at,
        "first_failed_at": death.first_failed_at,
        "reason": death.reason,
        "exception": death.exception,
        "message": death.message,
        "traceback": death.traceback,
        "queue": death.queue,
        "worker": death.worker,
        "attempts": death.attempts,
        "deliveries": death.deliveries,
        "failures": _failures(death),
        "headers": {name: _shallow(value) for name, value in death.headers.items() if name != FAILURES},
        "properties": _shallow(dict(death.properties)),
        "content_type": death.content_type,
        "content_encoding": death.content_encoding,
        "topic": death.topic,
        "partition": death.partition,
        "offset": death.offset,
        "key": None if death.key is None else death.key.decode(errors="backslashreplace"),
        "message_bytes": None if death.value is None else len(death.value),
        **(_event(death.value) if _is_event(death) else _arguments(death)),
    }


def _failures(death: Death) -> list[dict[str, str]]:
    """The attempts that failed before the last one, as far as they were noted."""
    noted = death.headers.get(FAILURES)
    if not isinstance(noted, list):
        return []
    return [
        dict(zip(_FAILURE_FIELDS, map(str, each), strict=True))
        for each in noted
        if isinstance(each, list) and len(each) == len(_FAILURE_FIELDS)
    ]


def _arguments(death: Death) -> dict[str, Any]:
    """The task's arguments where the body is plain JSON; else what it is. Nothing is ever unpickled."""
    from orchestrator.errors import NotReplayable
    from orchestrator.replay.parts import JSON, read_json, take_apart

    unknown: dict[str, Any] = {"args": None, "kwargs": None}
    try:
        parts = take_apart(death)
    except NotReplayable as error:
        return unknown | {"body": str(error)}
    if death.is_tombstone:
        return unknown | {"body": "no value at all: the record is a tombstone"}
    size = f"{len(parts.body):,} bytes"
    kind = parts.content_type or "no content type"
    if compression := parts.headers.get("compression"):
        kind = f"{kind}, compressed ({compression})"
    elif parts.content_type == JSON:
        body = read_json(parts.body)
        if isinstance(body, list) and len(body) in _PROTOCOL_2:
            return {"args": _shallow(body[0]), "kwargs": _shallow(body[1]), "body": ""}
        if isinstance(body, dict) and isinstance(body.get("task"), str):
            args, kwargs = body.get("args"), body.get("kwargs")
            return {"args": _shallow(args), "kwargs": _shallow(kwargs), "body": ""}
        if body is None and not death.content_type:
            return unknown | {"body": f"{size}, which are no JSON" if parts.body else size}
        kind = f"{kind}, but {'no arguments of a task' if body is not None else 'it cannot be read as such'}"
    return unknown | {"body": f"{size} of {kind}"}


def _is_event(death: Death) -> bool:
    return event.is_event(death.headers) and death.value is not None


def _event(value: bytes | None) -> dict[str, Any]:
    """An event has no arguments: its beginning is shown."""
    value = value or b""
    shown = value[:_MOST_OF_EVENT].decode(errors="backslashreplace")
    said = f"an event of {len(value):,} bytes: {redaction.text(shown)}"
    return {"args": None, "kwargs": None, "body": said}


def _tell_replay(story: Story) -> dict[str, Any]:
    """Whether the latest death can be replayed; what would be taken off, and what would not come back."""
    from orchestrator.errors import NotReplayable
    from orchestrator.replay.message import rebuild

    told: dict[str, Any] = {"possible": False, "why_not": "", "changed": [], "lost": []}
    if not story.deaths:
        return told | {"why_not": "no death of it is known any more"}
    latest = story.deaths[-1]
    try:
        rebuilt = rebuild(latest, story.letter.replay + 1, latest.queue, datetime.now(UTC))
    except NotReplayable as error:
        return told | {"why_not": str(error)}
    return told | {"possible": True, "changed": sorted(rebuilt.changed), "lost": sorted(rebuilt.lost)}


def _shallow(value: Any, depth: int = _DEEPEST) -> Any:
    """The value as far as it is not nested more deeply than Python can look through."""
    if isinstance(value, list | dict) and not depth:
        return "… nested too deeply to be shown"
    if isinstance(value, list):
        return [_shallow(each, depth - 1) for each in value]
    if isinstance(value, dict):
        return {name: _shallow(each, depth - 1) for name, each in value.items()}
    return value


def as_text(value: Any, most: int = _MOST) -> str:
    """A value of JSON for a person: without secrets, in bounds, and without what a terminal would obey."""
    return redaction.printable(cut(json.dumps(redaction.data(value), ensure_ascii=False), most), keep="\n")
