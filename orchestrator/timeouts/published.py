"""Which deadline a message gets that is about to be published: asked for, inherited, or its task's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import celery
from celery.app.task import Context

from orchestrator import logger
from orchestrator.errors import InvalidDeadline
from orchestrator.timeouts import deadline

_LOG = logger.get(__name__)

# The option of `apply_async`, and of a signature.
OPTION = "deadline"
# With some result backends it polls for a chord's parts, and publishes the body: that has the deadline.
UNLOCK = "celery.chord_unlock"

# The request of a task that has succeeded: what is published now follows it.
_followed: ContextVar[Any] = ContextVar("omninode_followed", default=None)
# The request of a chord's last part, while its body may be published.
_last_part: ContextVar[Any] = ContextVar("omninode_last_part", default=None)
# Whether it is too late to refuse what is published now.
_forgiving: ContextVar[bool] = ContextVar("omninode_forgiving", default=False)
# That of the canvas which is being enqueued, as a signature carries it.
_canvas: ContextVar[str | None] = ContextVar("omninode_canvas", default=None)


@contextmanager
def following(request: Any = None) -> Iterator[None]:
    """What is published within the block follows the success of this request, or of what runs here."""
    token = _followed.set(request or _last_part.get() or _running() or Context())
    try:
        yield
    finally:
        _followed.reset(token)


@contextmanager
def returning_part(request: Any) -> Iterator[None]:
    """The part of this request may be its chord's last one: what is then published follows it."""
    token = _last_part.set(request)
    try:
        yield
    finally:
        _last_part.reset(token)


@contextmanager
def forgiving() -> Iterator[None]:
    """What is published within the block, such as errbacks, is lost for no deadline."""
    token = _forgiving.set(True)
    try:
        yield
    finally:
        _forgiving.reset(token)


@contextmanager
def of_canvas(given: Any) -> Iterator[None]:
    """All that is enqueued within the block, and whatever follows it, has this deadline, or one of its own.

    Raises:
        InvalidDeadline: there is no such deadline, or it has passed.
    """
    token = _canvas.set(moment_of(given))
    try:
        yield
    finally:
        _canvas.reset(token)


def of_this_canvas() -> str | None:
    """The deadline of the canvas that is being enqueued, as a signature carries it; None outside one."""
    return _canvas.get()


def moment_of(given: Any) -> str | None:
    """A caller's deadline as a moment in text, the same for many messages; "inherit" stays that.

    Raises:
        InvalidDeadline: there is no such deadline, or it has passed.
    """
    if given is None or given == deadline.INHERIT:
        return given  # type: ignore[no-any-return]
    at = forgiven(partial(deadline.moment, given))
    return None if at is None else deadline.exact(at)


def headers(task: Any, name: str, given: Any, own: Mapping[str, Any] | None) -> dict[str, Any]:
    """The deadline's headers of a message to the task of this name; `task` is None where it is not known.

    `given` is the option, `own` the headers that the caller gives: what they say of a deadline counts.

    Raises:
        InvalidDeadline: what was asked for is none, or has passed; never of what follows an outcome.
    """
    if given is None:
        if name == UNLOCK or (own and not own.keys().isdisjoint(deadline.HEADERS)):
            return {}
        given = _canvas.get()
    followed = _followed.get()
    if given is None:
        return _by_default(task, followed)
    if given == deadline.INHERIT:
        parent = followed or _running()
        return deadline.inherited(parent, time.time()) if parent else {}
    if given is _canvas.get():
        # It was looked at before the first member was enqueued: a part of a canvas is worse than none.
        return deadline.Deadline(deadline.moment(given, time.time(), may_have_passed=True)).headers()
    at = forgiven(partial(deadline.moment, given))
    return _by_default(task, followed) if at is None else deadline.Deadline(at).headers()


def _by_default(task: Any, followed: Any) -> dict[str, Any]:
    """What nobody has asked for here: the earlier one of the parent's and of the task's own."""
    if task is None and followed is None:
        return {}
    now = time.time()
    own = deadline.of_task(task, now) if task is not None else None
    handed = deadline.inherited(followed, now) if followed is not None else {}
    if own is None:
        return handed
    at = handed.get(deadline.DEADLINE)
    return own.headers() if at is None or own.at < at else handed


def forgiven(read: Callable[..., Any]) -> Any:
    """What follows an outcome is lost for no deadline: one that has passed is the worker's to judge."""
    forgives = _followed.get() is not None or _forgiving.get()
    try:
        return read(time.time(), may_have_passed=forgives)
    except InvalidDeadline as error:
        if not forgives:
            raise
        _LOG.warning("deadline_not_read", error=str(error))
        return None


def _running() -> Any:
    """The request of the task that runs here; None outside one."""
    task = celery.current_task
    return task.request if task and task.name != UNLOCK else None
