"""Retry and wait as a worker's main process hears of them: the message is put back in its settlement.

Nothing is published by whoever runs the task: a process that dies in between leaves neither two messages
nor none.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.exceptions import Ignore, Retry
from celery.utils.saferepr import saferepr
from celery.utils.time import maybe_make_aware
from kombu.serialization import dumps

from orchestrator.errors import BreakerOpen, Wait

# On an exception: a call of `retry()` has raised it, because the retries that it allowed are used up.
GIVEN_UP = "omninode_given_up"


class PutBack(Retry):
    """Celery's Retry, with what is to change in the message.

    `delay_seconds` from now; `headers` replace the message's; `body` is (content type, encoding, text), or
    None where args and kwargs stay; `queue` and `priority` where it goes, or None for where it was.
    """

    def __init__(  # noqa: PLR0917 (Celery's four, and what is to change)
        self,
        message: str | None = None,
        exc: BaseException | None = None,
        when: Any = None,
        delay_seconds: float = 0.0,
        headers: dict[str, Any] | None = None,
        body: tuple[str, str, str] | None = None,
        queue: str | None = None,
        priority: int | None = None,
        **others: Any,
    ) -> None:
        super().__init__(message, exc, when, **others)  # type: ignore[arg-type]
        self.delay_seconds = delay_seconds
        self.headers = headers or {}
        self.body = body
        self.queue = queue
        self.priority = priority
        # What the main process has to say of it, for the message's history.
        self.note = ""

    @property
    def is_plain(self) -> bool:
        """Whether the next attempt is this one again: nobody asked for anything else than another time."""
        is_same = self.body is None and self.queue is None and self.priority is None
        return is_same and self.headers.keys() <= {"retries", "eta"}

    def __reduce__(self) -> Any:
        """Pickle everything: Celery's own drops what it does not know."""
        state = (
            self.message,
            self.exc,
            self.when,
            self.delay_seconds,
            self.headers,
            self.body,
            self.queue,
            self.priority,
        )
        return type(self), state


class Waiting(Ignore):
    """What `errors.Wait` becomes inside a worker: Celery records no state and spends no attempt on it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class SetAside(Ignore):
    """What `errors.BreakerOpen` becomes inside a worker: the message waits until that breaker lets it go."""

    def __init__(self, breaker: str) -> None:
        super().__init__(breaker)
        self.breaker = breaker


def later(error: Wait | BreakerOpen) -> Ignore:
    """What the main process is told where a task cannot go on now."""
    return SetAside(error.breaker) if isinstance(error, BreakerOpen) else Waiting(error.seconds)


class Held:
    """Stands in for the signature that Celery's `retry` would publish."""

    def __init__(self, args: Any, kwargs: Any, options: dict[str, Any]) -> None:
        self.args = args
        self.kwargs = kwargs
        self.options = options

    def apply_async(self) -> None:
        """Publish nothing: the main process puts the message back."""


_KNOWN_OPTIONS = frozenset(
    {"queue", "priority", "expires", "time_limit", "soft_time_limit", "headers", "ignore_result"}
)


def can_put_back(request: Any, options: dict[str, Any]) -> bool:
    """Whether the same message can carry the next attempt; one of protocol 1 has no headers to change."""
    return (
        set(options) <= _KNOWN_OPTIONS
        and request.get("lang") is not None
        and request.get("argsrepr") is not None
    )


def put_back(asked: Any, request: Any, task: Any, *, changed: bool) -> PutBack:
    """Work out, from what Celery's `retry` would have published, what is to change in the message."""
    options = asked.sig.options
    due = _due(options, task.app)
    delay_seconds = (due - datetime.now(UTC)).total_seconds() if due else 0.0
    headers = dict(options.get("headers") or {})
    headers["retries"] = options["retries"]
    headers["eta"] = due.isoformat() if due and delay_seconds > 0 else None
    if options.get("ignore_result") is not None:
        headers["ignore_result"] = options["ignore_result"]
    if options.get("expires") is not None:
        headers["expires"] = _moment(options["expires"], task.app).isoformat()
    if "time_limit" in options or "soft_time_limit" in options:
        hard, soft = request.timelimit or (None, None)
        headers["timelimit"] = [options.get("time_limit", hard), options.get("soft_time_limit", soft)]
    body = None
    if changed:
        body = _body(asked.sig.args, asked.sig.kwargs, request, task)
        headers["argsrepr"], headers["kwargsrepr"] = saferepr(asked.sig.args), saferepr(asked.sig.kwargs)
    return PutBack(
        exc=asked.exc,
        when=asked.when,
        delay_seconds=max(delay_seconds, 0.0),
        headers=headers,
        body=body,
        queue=_name(options.get("queue")),
        priority=options.get("priority"),
    )


def _due(options: dict[str, Any], app: Any) -> datetime | None:
    if options.get("eta") is not None:
        return _moment(options["eta"], app)
    return _moment(options.get("countdown") or 0, app) if options.get("countdown") else None


def _moment(value: Any, app: Any) -> datetime:
    """A time given as such, as ISO 8601 or as seconds from now."""
    if isinstance(value, int | float):
        return datetime.now(UTC) + timedelta(seconds=value)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return maybe_make_aware(value, app.timezone)


def _body(args: Any, kwargs: Any, request: Any, task: Any) -> tuple[str, str, str]:
    embedded = {name: getattr(request, name, None) for name in ("callbacks", "errbacks", "chain", "chord")}
    serializer = task.serializer or task.app.conf.task_serializer
    content_type, encoding, data = dumps((args, kwargs, embedded), serializer)
    raw = data.encode() if isinstance(data, str) else data
    return content_type, encoding, base64.b64encode(raw).decode()


def _name(queue: Any) -> str | None:
    return None if queue is None else str(getattr(queue, "name", queue))
