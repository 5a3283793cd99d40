"""Stamps into every message what Celery itself does not say: when it was enqueued, and what it depends on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MethodType
from typing import Any

from celery.signals import before_task_publish

from orchestrator import logger
from orchestrator.timeouts.deadline import DEADLINE, LEFT, number

_LOG = logger.get(__name__)

ENQUEUED_AT = "omninode-enqueued-at"
# The breaker of what the task depends on.
BREAKER = "omninode-breaker"
# True where its task has begun in this attempt, and waits for its next look.
BEGUN = "omninode-begun"
# Of a message that was set aside in this attempt: {"id", "since" in Unix seconds, "breaker"}.
ASIDE = "omninode-aside"


def connect() -> None:
    """Stamp every message that this process publishes from now on."""
    before_task_publish.connect(_stamp, dispatch_uid="omninode-stamp")


def enqueued_at(request: Any) -> float | None:
    """When a running task's message was enqueued, in Unix seconds; None where its producer did not say."""
    return number(request.get(ENQUEUED_AT))


def dependency(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """The breaker that `task.breaker` names for these arguments; "" where it names none.

    A function that raises, or returns what is no name, is warned of once a task: the task will fail, or not,
    by itself.
    """
    named = getattr(task, "breaker", None)
    if not callable(named):
        return str(named) if is_name(named) else ""
    if isinstance(named, MethodType) and not isinstance(named.__self__, type):
        # A function that was given as an option of the task: its class has made a method of it.
        named = named.__func__
    try:
        found = named(*args, **kwargs)
    except Exception as error:
        _warn(task.name, f"{type(error).__name__}: {error}")
        return ""
    if found is None or found == "":
        return ""
    if is_name(found):
        return str(found)
    _warn(task.name, f"it returned {found!r:.80}")
    return ""


def is_name(name: object) -> bool:
    """Whether it can be a breaker's name: text that Redis can keep, of at most 200 characters."""
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME:
        return False
    return name.encode(errors="ignore").decode() == name


def _warn(task: str, why: str) -> None:
    if task not in _warned:
        _warned.add(task)
        _LOG.warning("breaker_not_named", task=task, why=why)


_LONGEST_NAME = 200
_warned: set[str] = set()


def _stamp(headers: dict[str, Any] | None = None, **_: Any) -> None:
    # A retry that is published anew carries the stamp of its first attempt; it has waited for nothing yet.
    if headers is not None:
        headers.setdefault(ENQUEUED_AT, time.time())
        headers.pop(ASIDE, None)
        headers.pop(BEGUN, None)
        if DEADLINE in headers:
            # A retry's counts already, though its message came with what was left.
            headers.pop(LEFT, None)
