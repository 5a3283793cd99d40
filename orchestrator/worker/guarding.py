"""Runs a task through its breaker, in the process that runs it: what comes of it is reported there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from celery.exceptions import Ignore, Retry

from orchestrator.breaker import Breaker, breaker, permit
from orchestrator.breaker.permit import Permit
from orchestrator.errors import BreakerOpen
from orchestrator.retry.again import PutBack, SetAside
from orchestrator.stamp import ASIDE, BREAKER
from orchestrator.worker import aside
from orchestrator.worker.portable import original


def run(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Call the task's `run`; the worker's main process has written into the request what it depends on.

    A message that was set aside comes back with a token: it may be the probe that the mover has chosen.

    Raises:
        BreakerOpen: the circuit of what it depends on is open, or one that it called is.
    """
    request = task.request
    name, marked = request.get(BREAKER), request.get(ASIDE)
    if not name and not marked:
        return task.run(*args, **kwargs)
    mark = aside.read({ASIDE: marked})

    def call() -> Any:
        return task.run(*args, **kwargs)

    def guarded() -> Any:
        return _guarded(name, aside.token({ASIDE: marked}, name), request, call) if name else call()

    return _lent(mark, guarded) if mark and mark.breaker != name else guarded()


def _guarded(name: str, token: str, request: Any, call: Callable[[], Any]) -> Any:
    leave = breaker(name).permit(token)
    try:
        returned = _within(leave, call)
    except BaseException as error:
        leave.end(_cause(error))
        if is_of_an_outage(breaker(name), error):
            if isinstance(error, PutBack) and error.is_plain:
                raise SetAside(name) from error
            request.omninode_tripped = name
        raise
    # It may have called `retry(throw=False)`, and gone on to return.
    leave.end(_cause(vars(request).get("omninode_asked")))
    return returned


def instead_of_retry(request: Any, error: Any, tries_left: bool) -> SetAside | None:  # noqa: FBT001
    """What to raise where a task would be tried again although a circuit is open; None: let it be tried."""
    if isinstance(error, BreakerOpen):
        return SetAside(error.breaker)
    tripped = vars(request).get("omninode_tripped")
    return SetAside(tripped) if tripped and tries_left else None


def is_of_an_outage(guard: Breaker, error: BaseException) -> bool:
    """Whether a task has failed as others have: the circuit is open now, and an attempt would be wasted."""
    cause, circuit = _cause(error), guard.state
    if circuit.circuit == "closed" or circuit.mode not in {"auto", "isolated"}:
        return False
    return cause is not None and guard.faults.verdict(cause) == "failure"


class _Lent(Permit):
    """Knows whether the task has called the breaker that it was let go for."""

    __slots__ = ("was_used",)

    was_used: bool

    def inner(self) -> Permit:
        self.was_used = True
        return super().inner()


def _lent(mark: aside.Mark, call: Callable[[], Any]) -> Any:
    """It waited for a breaker that the task calls itself: its call goes on in this permit.

    A call that failed has counted itself; of one that was never made nothing is known.
    """
    guard = breaker(mark.breaker)
    given = guard.permit(mark.id)
    lent = _Lent(given.standing, guard.faults, given.passed)
    lent.was_used = False
    try:
        returned = _within(lent, call)
    except BaseException:
        lent.end(Ignore())
        raise
    lent.end(None if lent.was_used else Ignore())
    return returned


def _within(leave: Permit, call: Callable[[], Any]) -> Any:
    """Its own calls of the same breaker are let through, and not counted twice."""
    permit.enter(leave)
    try:
        return call()
    finally:
        permit.drop(leave)


def _cause(error: BaseException | None) -> BaseException | None:
    """What the task has failed of: a retry tells why it is one, and is by itself nobody's failure."""
    if isinstance(error, Retry) and isinstance(error.exc, BaseException):
        return original(error.exc)
    return error
