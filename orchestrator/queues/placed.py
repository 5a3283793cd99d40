"""A message of a task, and where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from orchestrator import redaction
from orchestrator.deadletter.death import FAILURES, replay_of
from orchestrator.queues.looking import Shown, show
from orchestrator.stamp import ASIDE
from orchestrator.transport.envelope import decode

Place = Literal["set aside", "waiting", "delayed", "in flight", "held by stock Celery", "dead"]


@dataclass(frozen=True)
class Placed:
    """A message and where it is; times are ISO 8601 in UTC, and empty where nobody says.

    `position` is 1 for what is claimed next of its queue and priority. `since` is when a worker claimed it,
    when it was first set aside, or when it died. `breaker` is that of its dependency; of what is set aside
    the one that it waits for, `until` when it waits no longer, and `circuit` where that breaker's circuit is,
    as far as known. `lease_seconds` is what is left of the lease, negative where it has ended. `failures` are
    the attempts that have failed so far. Of what is dead `error` is what it died of; where it waits in
    PostgreSQL for Kafka, `kafka_error` is why that refuses it, and empty where Redis had no room for it.
    """

    place: Place
    message: Shown
    is_paused: bool = False
    position: int | None = None
    due: str = ""
    since: str = ""
    breaker: str = ""
    until: str = ""
    circuit: str = ""
    worker: str = ""
    has_begun: bool | None = None
    lease_seconds: float | None = None
    reason: str = ""
    error: str = ""
    is_in_postgresql: bool = False
    kafka_error: str = ""
    letter_id: str = ""
    replay: int = 0
    failures: tuple[tuple[str, ...], ...] = ()


def placed(place: Place, raw: bytes, queue: str, priority: int, **details: Any) -> Placed:
    """The message as it can be shown, and what is known of its place."""
    headers = _headers(raw)
    letter_id, replay = replay_of(headers) or ("", 0)
    failures = headers.get(FAILURES)
    told = tuple(
        tuple(redaction.printable(part) for part in each)
        for each in (failures if isinstance(failures, list) else ())
        if isinstance(each, list)
    )
    message = show(queue, raw, priority)
    details = {"breaker": message.breaker} | details
    return Placed(place, message, letter_id=letter_id, replay=replay, failures=told, **details)


def why_aside(raw: bytes) -> dict[str, Any]:
    """What a message that was set aside says of it: `id`, `since` and `breaker`, as far as it does."""
    about = _headers(raw).get(ASIDE)
    return about if isinstance(about, dict) else {}


def dead(fields: Mapping[str, str], raw: bytes, **details: Any) -> Placed:
    """A letter of the outbox, or of what has overflown of it, by its fields."""
    told = {name: redaction.printable(text) for name, text in fields.items()}
    error = ": ".join(filter(None, (told.get("exception"), told.get("message"))))
    about = {"since": told.get("died_at", ""), "worker": told.get("worker", ""), "error": error}
    return placed("dead", raw, told.get("queue", ""), 0, reason=told.get("reason", ""), **about, **details)


def is_of(task_id: str, raw: bytes) -> bool:
    """Whether a message that holds the id is the task's own: others may name it as their parent or root.

    What cannot be read is.
    """
    try:
        envelope = decode(raw)
    except ValueError:
        return True
    headers = envelope.get("headers")
    if isinstance(headers, dict) and "id" in headers:
        return bool(headers["id"] == task_id)
    return bool(envelope["properties"].get("correlation_id") == task_id)


def _headers(raw: bytes) -> dict[str, Any]:
    try:
        headers = decode(raw).get("headers")
    except ValueError:
        return {}
    return headers if isinstance(headers, dict) else {}
