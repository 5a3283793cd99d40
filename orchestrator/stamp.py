"""Stamps the moment of the enqueue into every message: Celery itself keeps none."""

import time
from typing import Any

from celery.signals import before_task_publish

ENQUEUED_AT = "omninode-enqueued-at"
# The breaker of what the task depends on.
BREAKER = "omninode-breaker"
# Of a message that was set aside in this attempt: {"id", "since" in Unix seconds, "breaker"}.
ASIDE = "omninode-aside"


def connect() -> None:
    """Stamp every message that this process publishes from now on."""
    before_task_publish.connect(_stamp, dispatch_uid="omninode-stamp")


def enqueued_at(request: Any) -> float | None:
    """When a running task's message was enqueued, in Unix seconds; None where its producer did not say."""
    value = request.get(ENQUEUED_AT)
    return float(value) if isinstance(value, int | float) else None


def _stamp(headers: dict[str, Any] | None = None, **_: Any) -> None:
    # A retry is published anew and carries the stamp of its first attempt.
    if headers is not None:
        headers.setdefault(ENQUEUED_AT, time.time())
