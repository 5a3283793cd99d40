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

from orchestrator.timeouts import interrupts, telling
from orchestrator.timeouts.course import Course
from orchestrator.timeouts.watchdog import watchdog

# A signal's handler that raises may come each time, but not this often.
_MOST_TRIES = 100


class Blocking(Course):
    """The half of a timeout context that `with` uses."""

    __slots__ = ("is_rung", "is_wanted", "leaving")
    leaving: ref[partial[None]]

    def __enter__(self) -> Any:
        """Begin."""
        self.is_rung = self.is_wanted = False
        thread = threading.get_ident()
        was_shielded = interrupts.is_shielded(thread)
        try:
            interrupts.shield(thread)
            due = self.begin(self.terms.clock, thread)
            self.is_rung = interrupts.alarm.take(self)
            self.enter()
            watchdog.watch(self, due)
        except BaseException as error:
            if self.pid:
                self._withdraw()
                telling.ended(self, error, self.clock())
            self._has_left()
            raise
        finally:
            if not was_shielded:
                interrupts.unshield(thread)
                if interrupts.alarm.is_missed:
                    interrupts.alarm.catch_up()
        return self

    def strike(self) -> bool:
        """Raise the error in what is done."""
        return interrupts.strike(self)

    def finish(self, error: BaseException | None) -> None:
        """It has been left with this error."""
        thread = threading.get_ident()
        was_shielded = interrupts.is_shielded(thread)
        try:
            interrupts.shield(thread)
            self._finish(error)
        finally:
            if not was_shielded:
                interrupts.unshield(thread)
                if interrupts.alarm.is_missed:
                    interrupts.alarm.catch_up()

    def give_up(self) -> None:
        """It was left without that: its time was over, or a signal came on its way out."""
        thread = threading.get_ident()
        was_shielded = interrupts.is_shielded(thread)
        try:
            interrupts.shield(thread)
            self._withdraw()
            now = self.clock()
            if self.outcome:
                return
            if now < self.ends_at and self.state != "stopping":
                # By what a signal's handler raised.
                telling.ended(self, InterruptedError(), now)
            else:
                telling.timed_out(self, now)
        finally:
            if not was_shielded:
                interrupts.unshield(thread)
                if interrupts.alarm.is_missed:
                    interrupts.alarm.catch_up()

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
        for _ in range(_MOST_TRIES):
            try:
                context = self.args[0]
                if not context.pid or (context.is_over and context.outcome):
                    return
                context.give_up()
            except BaseException:  # noqa: S112 (nothing that is raised here gets any further)
                # One around it ends at this very moment, which raises it again; or a signal's handler raises.
                continue
