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
from orchestrator.timeouts import deadline, given
from orchestrator.timeouts.deadline import Deadline
from orchestrator.timeouts.given import INHERIT, Given

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
def of_canvas(moment: str | None) -> Iterator[None]:
    """All that is enqueued within the block, and what follows it, has this deadline, or one of its own.

    `moment` is one that `canvas_moment` has made; None: what is enqueued within the block is no part of one.
    """
    token = _canvas.set(moment)
    try:
        yield
    finally:
        _canvas.reset(token)


def of_this_canvas() -> str | None:
    """The deadline of the canvas that is being enqueued, as a signature carries it; None outside one."""
    return _canvas.get()


def canvas_moment(said: Given, options: Mapping[str, Any] | None = None) -> str | None:
    """A canvas's deadline as its members carry it; "inherit" stays that. `options` are those of it all.

    Raises:
        InvalidDeadline: there is no such deadline, it has passed, or comes before the eta.
    """
    if said == INHERIT or given.is_canvas(said):
        return str(said)
    at = forgiven(partial(given.moment, said, options=options))
    return None if at is None else given.canvas(at)


def headers(
    task: Any, name: str, said: Given | None, own: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """The deadline's headers of a message to the task of this name; `task` is None where it is not known.

    `said` is the option, `own` the headers that the caller gives: what they say of a deadline counts. Of
    `options` the eta or countdown is looked at.

    Raises:
        InvalidDeadline: what was asked for is none, or has passed, or comes before the eta; never of what
            follows an outcome.
    """
    if said is None:
        if name == UNLOCK or (own and not own.keys().isdisjoint(deadline.HEADERS)):
            return {}
        said = _canvas.get()
    followed = _followed.get()
    if said is None:
        return _with_own(task, followed)
    if said == INHERIT:
        return _with_own(task, followed or _running())
    if given.is_canvas(said):
        # It was looked at before the first member was enqueued: a part of a canvas is worse than none.
        at = given.moment(said, time.time(), may_have_passed=True)
        return _with_own(task, {deadline.DEADLINE: at})
    at = forgiven(partial(given.moment, said, options=options))
    return _with_own(task, followed) if at is None else Deadline(at).headers()


def _with_own(task: Any, parent: Any) -> dict[str, Any]:
    """What nobody has asked for of this very message: the earlier one of its parent's and of its task's own.

    `parent` is a request, or the headers of a canvas, or None. Where the task is not known here the worker
    compares the two.
    """
    if task is None and parent is None:
        return {}
    now = time.time()
    handed = deadline.inherited(parent, now) if parent is not None else {}
    own = given.of_task(task, now) if task is not None else None
    if own is None:
        return handed
    return own.headers() if given.earlier(own, deadline.read(handed, now)) is own else handed


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
