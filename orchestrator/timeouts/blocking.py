"""A timeout context for `with`: what is done in the block is interrupted by the error itself.

The error may come at any step of Python, also on the way out of the block. So what leaves the block is an
object of its own, which the `with` alone holds: when that goes without having finished, it finishes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

from orchestrator.errors import TimeoutExceeded
from orchestrator.timeouts import interrupts, telling
from orchestrator.timeouts.course import Course
from orchestrator.timeouts.watchdog import watchdog


class Blocking(Course):
    """The half of a timeout context that `with` uses."""

    __slots__ = ("is_rung", "is_wanted", "leaving")
    leaving: ref[partial[None]]

    def __enter__(self) -> Any:
        """Begin."""
        self.is_rung = self.is_wanted = False
        was_shielded = interrupts.is_shielded()
        try:
            interrupts.shield()
            due = self.begin(self.terms.clock, threading.get_ident())
            self.is_rung = interrupts.alarm.take(self)
            self.enter()
            watchdog.watch(self, due)
        finally:
            if not self.pid:
                self._has_left()
            interrupts.unshield(unless=was_shielded)
        return self

    def strike(self) -> bool:
        """Raise the error in what is done."""
        return interrupts.strike(self)

    def finish(self, error: BaseException | None) -> None:
        """It has been left with this error."""
        was_shielded = interrupts.is_shielded()
        try:
            interrupts.shield()
            self._finish(error)
        finally:
            interrupts.unshield(unless=was_shielded)

    def give_up(self) -> None:
        """It was left without that: its time was over."""
        was_shielded = interrupts.is_shielded()
        try:
            interrupts.shield()
            self._withdraw()
            if not self.outcome:
                telling.timed_out(self, self.clock())
        finally:
            interrupts.unshield(unless=was_shielded)

    def _finish(self, error: BaseException | None) -> None:
        self._withdraw()
        now = self.clock()
        try:
            if now < self.ends_at and self.state != "stopping":
                telling.ended(self, error, now)
            else:
                self.end_late(error, now, is_its_own=False)
        finally:
            if self.outcome:
                self._has_left()

    def _has_left(self) -> None:
        """Nothing of Python's has to run when what leaves the block goes: an error in that would be lost."""
        # Where an `ExitStack` calls, there is no such object.
        leaving = getattr(self, "leaving", None)
        left = leaving and leaving()
        if left is not None:
            left.__class__ = _Left

    def _withdraw(self) -> None:
        interrupts.withdraw(self)
        self.leave()

    if TYPE_CHECKING:

        def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None: ...

    else:

        class _Exit:
            """What `with` finds as `__exit__`."""

            def __get__(self, context: Blocking | None, owner: type[Blocking]) -> Callable[..., None]:
                if context is None:
                    return _finish
                if context.pid:
                    return partial(_finish, context)
                leaving = _Leaving(_finish, context)
                context.leaving = ref(leaving)
                return leaving

        __exit__ = _Exit()


def _finish(context: Blocking, _kind: object, error: BaseException | None, _trace: object) -> None:
    context.finish(error)


class _Left(partial[None]):
    """Has finished."""


class _Leaving(partial[None]):
    """Leaves the block."""

    def __del__(self) -> None:
        """Finish, where the error came on the way out of the block, or into it."""
        context = self.args[0]
        while context.pid and not (context.is_over and context.outcome):
            try:
                context.give_up()
            except TimeoutExceeded:
                # One around it ends at this very moment: it raises it again.
                continue
