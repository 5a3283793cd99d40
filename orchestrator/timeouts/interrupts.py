"""Raises an error in what a thread does, and never after that is over."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import Protocol

from orchestrator.errors import TimeoutExceeded
from orchestrator.timeouts.alarm import Alarm

_raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc


class Target(Protocol):
    """What is done in the thread `flow`. `is_rung`: it is the main one, and a signal interrupts it."""

    flow: int
    is_over: bool
    is_rung: bool
    is_wanted: bool
    ends_at: float

    def exceeded(self) -> BaseException:
        """The error to raise."""


# Held for each decision to raise and for each end; one of C, so that an error while it is held frees it.
_lock = threading.Lock()
# For which target of a thread an error was last raised there: it may not have come yet.
_last: dict[int, Target] = {}
# The threads that are not interrupted now.
_shielded: set[int] = set()
alarm = Alarm(_shielded)


def strike(target: Target) -> bool:
    """Raise its error, unless it is over; False where its thread must not be interrupted at this moment.

    Called from another thread.
    """
    with _lock:
        if target.is_over:
            return True
        if target.flow in _shielded:
            return False
        if target.is_rung and alarm.is_ours():
            alarm.ring(target)
            return True
        _last[target.flow] = target
        _raise_in_thread(ctypes.c_ulong(target.flow), ctypes.py_object(_class_for(target)))
        return True


def is_shielded(thread: int) -> bool:
    """Whether it is not interrupted."""
    return thread in _shielded


def shield(thread: int) -> None:
    """From here on this thread is not interrupted: it may take Python's locks."""
    with _lock:
        _shielded.add(thread)


# It may be interrupted again. One of C: a signal's handler that raises, as Celery's for a soft limit, comes
# before a `finally` or after the call in it, and so never leaves a thread shielded for ever.
unshield = _shielded.discard


def withdraw(target: Target) -> None:
    """It is over: what was raised for it and has not come yet does not come. Called in its thread."""
    with _lock:
        target.is_over = True
        if target.is_rung:
            alarm.release(target)
        if _last.get(target.flow) is target:
            del _last[target.flow]
            _raise_in_thread(ctypes.c_ulong(target.flow), None)


def _class_for(target: Target) -> type[BaseException]:
    """Python raises a class in a thread, and makes the error there."""

    class Interruption(TimeoutExceeded):
        def __new__(cls, *_: object) -> BaseException:  # type: ignore[misc]
            return target.exceeded()

    return Interruption


def _forget() -> None:
    global _lock  # noqa: PLW0603 (whoever held it is not in this process)
    _lock = threading.Lock()
    _last.clear()
    _shielded.clear()
    alarm.forget()


os.register_at_fork(after_in_child=_forget)
