"""A dead letter as it goes into the outbox: flat fields of text; its settlement adds the original bytes."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded
from celery.exceptions import Reject

from orchestrator import times
from orchestrator.deadletter.cutting import cut
from orchestrator.deadletter.death import REPLAYS
from orchestrator.deadletter.reasons import Reason

# Bounds of what explains a letter, in characters.
_FIELD_CHARACTERS = 10_000
_TRACEBACK_CHARACTERS = 32_000


def write(
    reason: Reason,
    queue: str,
    raw: bytes,
    envelope: dict[str, Any],
    *,
    error: BaseException | None = None,
    traceback: str = "",
    deliveries: int = 1,
    worker: str = "",
    now: datetime | None = None,
) -> dict[str, str]:
    """The fields of the outbox entry; what the message does not say is empty.

    `deliveries` counts all of them, this one included.
    """
    headers = envelope.get("headers")
    headers = headers if isinstance(headers, dict) else {}
    fields = {
        "id": identity(raw, envelope),
        "reason": reason,
        "task_id": _text(headers.get("id")),
        "task": _text(headers.get("task")),
        "queue": queue,
        "exception": class_of(error),
        "message": message_of(error),
        "traceback": traceback,
        "deliveries": str(deliveries),
        "attempts": str(_count(headers.get("retries")) + 1),
        "worker": worker,
        "died_at": (now or datetime.now(UTC)).isoformat(timespec="milliseconds"),
    }
    return {
        name: cut(text, _TRACEBACK_CHARACTERS if name == "traceback" else _FIELD_CHARACTERS)
        for name, text in fields.items()
    }


def identity(raw: bytes, envelope: dict[str, Any]) -> str:
    """The letter's id: the same death told twice is one letter.

    SHA-256 of the task id, the delivery tag, and the numbers of retries and replays; of the raw bytes where a
    message has no task id.
    """
    headers = envelope.get("headers")
    if not isinstance(headers, dict) or not isinstance(headers.get("id"), str):
        return hashlib.sha256(raw).hexdigest()
    tag = envelope["properties"]["delivery_tag"]
    parts = [headers["id"], tag, _count(headers.get("retries")), _count(headers.get(REPLAYS))]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def class_of(error: BaseException | None) -> str:
    """The exception's class as one would import it; empty where there is none."""
    if error is None:
        return ""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def message_of(error: BaseException | None) -> str:
    """What the exception says of itself."""
    if error is None:
        return ""
    if isinstance(error, TimeLimitExceeded | SoftTimeLimitExceeded):
        return _limit_in_words(error)
    try:
        # As text, it is a pair of the reason and of whether it goes back.
        said: object = getattr(error, "reason", None) if isinstance(error, Reject) else error
        return "" if said is None else str(said)
    except Exception:
        return "<the exception has no text>"


def _limit_in_words(error: TimeLimitExceeded | SoftTimeLimitExceeded) -> str:
    """What billiard says of a limit is the class again, and at best a number."""
    said = error.args[0] if error.args else None
    if isinstance(said, str):
        return said
    if isinstance(error, SoftTimeLimitExceeded) or not isinstance(said, int | float):
        return "told to stop at its soft limit" if isinstance(error, SoftTimeLimitExceeded) else str(error)
    return (
        f"killed after {times.length(said)}, its hard limit: let it end when it is told at its soft limit, "
        "or give it a longer time_limit"
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
