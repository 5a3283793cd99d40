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
        due = self.begin(self.terms.clock, threading.get_ident())
        self.is_rung = interrupts.alarm.take(self)
        self.enter()
        watchdog.watch(self, due)
        return self

    def strike(self) -> None:
        """Raise the error in what is done."""
        interrupts.strike(self)

    def finish(self, error: BaseException | None) -> None:
        """It has been left with this error."""
        self.withdraw()
        now = self.clock()
        left = self.leaving()
        if left is not None:
            # Nothing of Python's must run any more when it goes.
            left.__class__ = _Left  # type: ignore[assignment]
        if now < self.ends_at and self.state != "stopping":
            telling.ended(self, error, now)
        else:
            self.end_late(error, now, is_its_own=False)

    def withdraw(self) -> None:
        """From here on nothing is raised for it."""
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
        if not context.pid or context.outcome:
            return
        try:
            context.withdraw()
            telling.timed_out(context, context.clock())
        except TimeoutExceeded:
            # One around it ends at this very moment: it raises it again.
            context.leave()
