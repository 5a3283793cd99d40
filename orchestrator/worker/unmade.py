"""Tells the result backend of a message that no task can be made of here, as far as it can be read."""

from __future__ import annotations

from typing import Any

from celery.app.task import Context

from orchestrator.timeouts import published
from orchestrator.worker.checking import check_what_follows


def tell(app: Any, message: Any, task_id: str, error: BaseException) -> None:
    """Store its failure, call errbacks, tell the chord."""
    with published.forgiving():
        app.backend.mark_as_failure(task_id, error, request=context(message))


def context(message: Any) -> Context:
    """What the result backend needs to call errbacks and tell a chord, as far as it can be read."""
    try:
        embedded = message.payload[2] or {}
        check_what_follows(embedded)
    except Exception:
        embedded = {}
    headers = {key: value for key, value in message.headers.items() if isinstance(key, str)}
    properties = message.properties or {}
    about: dict[str, Any] = {
        "reply_to": properties.get("reply_to"),
        "correlation_id": properties.get("correlation_id"),
        "args": (),
        "kwargs": {},
    }
    return Context(headers | about | embedded)
