"""Reads records that other programs have written to a dead-letter topic: Spring's, Connect's, anybody's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.deadletter.cutting import cut
from orchestrator.deadletter.death import Death
from orchestrator.deadletter.fingerprint import fingerprint

REASON = "foreign"
# The headers in which Spring, Kafka Connect, Kafka Streams and SmallRye say the same.
_EXCEPTION = (
    "kafka_dlt-exception-cause-fqcn",
    "kafka_dlt-exception-fqcn",
    "__connect.errors.exception.class.name",
    "__streams.errors.exception",
    "dead-letter-exception-class-name",
)
_MESSAGE = (
    "kafka_dlt-exception-message",
    "__connect.errors.exception.message",
    "__streams.errors.message",
    "dead-letter-reason",
)
_TRACEBACK = (
    "kafka_dlt-exception-stacktrace",
    "__connect.errors.exception.stacktrace",
    "__streams.errors.stacktrace",
)
_CORRELATION = ("correlation_id", "correlation-id", "kafka_correlationId")
_MOST = 10_000


def read(place: str, queue: str, value: bytes | None, headers: Mapping[str, str], at: datetime) -> Death:
    """The death that the record at `place` (topic/partition/offset/timestamp) tells of.

    It names a task where its headers are those of a Celery message, or its value is one.
    """
    # A topic that was deleted and made anew has other records at the same places.
    identity = hashlib.sha256(f"{place}\n{at.isoformat()}\n".encode() + (value or b"")).hexdigest()
    task, task_id = _task(headers, value or b"")
    exception, message, traceback = (
        cut(_first(headers, names), _MOST) for names in (_EXCEPTION, _MESSAGE, _TRACEBACK)
    )
    is_body = "task" in headers and "id" in headers
    return Death(
        id=identity,
        letter_id=identity,
        reason=REASON,
        task_id=cut(task_id, 500),
        task=cut(task, 500),
        queue=cut(queue, 500),
        correlation_id=cut(_first(headers, _CORRELATION), 500),
        exception=exception,
        message=message,
        traceback=traceback,
        fingerprint=fingerprint(REASON, task, exception, traceback),
        worker="",
        attempts=0,
        deliveries=0,
        replay=0,
        first_failed_at=at,
        died_at=at,
        value=value,
        value_is="body" if is_body else "envelope",
        headers=dict(headers),
        properties={},
        content_type=headers.get("content-type", headers.get("content_type", "")),
        content_encoding=headers.get("content-encoding", headers.get("content_encoding", "")),
        is_foreign=True,
    )


def _task(headers: Mapping[str, str], value: bytes) -> tuple[str, str]:
    """The names of a task and of its id, as far as there are any."""
    if "task" in headers:
        return headers["task"], headers.get("id", "")
    try:
        message = json.loads(value)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(message, dict):
        return "", ""
    # A whole message, or the body of Celery's first protocol.
    named: Any = message.get("headers") if isinstance(message.get("headers"), dict) else message
    task, task_id = named.get("task"), named.get("id")
    return (task if isinstance(task, str) else ""), (task_id if isinstance(task_id, str) else "")


def _first(headers: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((headers[name] for name in names if headers.get(name)), "")
