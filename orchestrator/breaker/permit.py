"""Leave to make one call, and what is told of the call when it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

from orchestrator.breaker.faults import Faults
from orchestrator.breaker.hub import hub
from orchestrator.breaker.report import Report, told
from orchestrator.breaker.standing import Standing
from orchestrator.breaker.telling import Pass
from orchestrator.retry.healing import retry_after_seconds

Sending: TypeAlias = Callable[[], None]

# Errors carry when which breaker counted them: around another call of it they are the same failure.
_COUNTED = "__omninode_counted__"
_LONGEST_CHAIN = 10


class Permit:
    """Leave for one call, which has begun; `end` it once, with its error or None."""

    __slots__ = ("_faults", "_has_ended", "_is_inner", "_standing", "passed", "started")

    def __init__(
        self,
        standing: Standing,
        faults: Faults,
        passed: Pass,
        started: float = 0.0,
        *,
        is_inner: bool = False,
    ) -> None:
        self._standing = standing
        self._faults = faults
        self.passed = passed
        self.started = started or time.monotonic()
        self._is_inner = is_inner
        self._has_ended = False

    @property
    def standing(self) -> Standing:
        """The breaker that gave it."""
        return self._standing

    @property
    def has_ended(self) -> bool:
        """Whether the call is over."""
        return self._has_ended

    @property
    def is_probe(self) -> bool:
        """Whether this call finds out if the dependency is back."""
        return bool(self.passed.lease)

    def inner(self) -> Permit:
        """Leave for a call within this one: what it counts is not counted again."""
        return Permit(self._standing, self._faults, self.passed, is_inner=True)

    def end(self, error: BaseException | None = None) -> None:
        """Count the call; where Redis has to hear of it, once it has. The second time nothing happens."""
        if error is None and self._is_counted_at_once():
            return
        sending = self._ended(error)
        if sending is None:
            return
        if isinstance(error, GeneratorExit):
            # It may be collected as garbage, while its thread holds any lock.
            self._standing.later(sending)
        else:
            sending()

    async def end_soon(self, error: BaseException | None = None) -> None:
        """Count the call without holding up the event loop; cancelling this does not stop it."""
        if error is None and self._is_counted_at_once():
            return
        sending = self._ended(error)
        if sending is None:
            return
        if isinstance(error, GeneratorExit):
            # A coroutine that is being closed can wait for nothing any more.
            self._standing.later(sending)
        else:
            await asyncio.shield(asyncio.wrap_future(hub().beside.submit(sending)))

    def end_elsewhere(self, error: BaseException | None = None) -> None:
        """Count the call without waiting for it."""
        sending = self._ended(error)
        if sending is not None:
            hub().beside.submit(sending)

    def _is_counted_at_once(self) -> bool:
        tally = self.passed.tally
        if tally is None or self._has_ended or self._is_inner or self._standing.clean is not tally:
            return False
        self._has_ended = True
        tally.ok()
        if tally.slow_seconds is not None and time.monotonic() - self.started >= tally.slow_seconds:
            tally.slow()
        return True

    def _ended(self, error: BaseException | None) -> Sending | None:
        if self._has_ended:
            return None
        self._has_ended = True
        if self.passed.tally is None:
            return None
        report = self._report(error)
        if self._is_inner and not report.failed:
            return None
        if not self._standing.end(self.passed, report):
            return None
        return partial(self._standing.send, report if self.passed.lease else None)

    def _report(self, error: BaseException | None) -> Report:
        tally, token = self.passed.tally, self.passed.lease
        epoch = tally.epoch if tally else 0
        now = time.monotonic()
        slow = int(
            bool(tally and tally.slow_seconds is not None and now - self.started >= tally.slow_seconds)
        )
        if error is None:
            return Report(epoch, token, ok=1, slow=slow)
        if self._faults.verdict(error) == "neutral" or self._was_counted(error):
            return Report(epoch, token)
        _mark(error, self._standing.name, now)
        asked = retry_after_seconds(error, datetime.now(UTC)) or 0.0
        return Report(epoch, token, slow=slow, failed=1, error=told(error), retry_after_seconds=asked)

    def _was_counted(self, error: BaseException) -> bool:
        """Whether a call within this one, of the same breaker, has counted the error or its cause."""
        cause: BaseException | None = error
        for _ in range(_LONGEST_CHAIN):
            if cause is None:
                return False
            if getattr(cause, _COUNTED, {}).get(self._standing.name, 0.0) >= self.started:
                return True
            cause = cause.__cause__ or cause.__context__
        return False


def _mark(error: BaseException, name: str, now: float) -> None:
    # One that takes no attributes is counted twice at worst.
    with suppress(AttributeError, TypeError):
        setattr(error, _COUNTED, {**getattr(error, _COUNTED, {}), name: now})


# The calls that this thread or task is within, the innermost last; those that began clean are not among them.
_entered: ContextVar[tuple[Permit, ...]] = ContextVar("omninode_breakers_entered", default=())


def around(standing: Standing) -> Permit | None:
    """The innermost call of this breaker that is under way in this thread or task.

    A task that was begun within a call that has ended since is within it no more.
    """
    entered = _entered.get()
    return _innermost([each for each in entered if not each.has_ended], standing) if entered else None


def enter(permit: Permit) -> None:
    """Calls of this thread or task are within this one from now on."""
    _entered.set((*_entered.get(), permit))


def leave(standing: Standing) -> Permit | None:
    """End that for the innermost call of this breaker; None where it was entered in another context."""
    permit = _innermost(_entered.get(), standing)
    if permit is not None:
        drop(permit)
    return permit


def drop(permit: Permit) -> None:
    """Calls of this thread or task are not within this one any more."""
    _entered.set(tuple(each for each in _entered.get() if each is not permit))


def _innermost(permits: Sequence[Permit], standing: Standing) -> Permit | None:
    return next((each for each in reversed(permits) if each.standing is standing), None)
