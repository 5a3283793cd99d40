"""What a process has once for the fleet's sums: a writer with its recorder, and what hears its events."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from monitoring.rollup.hearing import Hearing
from monitoring.rollup.writing import Writer

writer = Writer()
recorder = writer.recorder
_hearing = Hearing(recorder)
_begun: Callable[[], None] | None = None


def begin(role: str) -> None:
    """From now on what happens in this process is recorded for the fleet; again, only the role changes.

    Costs nothing before something happens: neither a thread nor a connection. A forked child goes on, with
    sums of its own.
    """
    global _begun  # noqa: PLW0603 (a process has one)
    writer.role = role
    if _begun is None:
        _begun = hear()


@contextmanager
def during(role: str) -> Iterator[None]:
    """What happens within it is recorded, and written at its end: for a process that ends soon."""
    writer.role = role
    no_more = hear()
    try:
        yield
    finally:
        no_more()
        flush()
        forget()


def hear() -> Callable[[], None]:
    """Have events be recorded; returns what takes that back. However many want it, each event counts once."""
    return _hearing.want()


def flush() -> None:
    """Write the rest: a process that ends without Python's exit does so before. Never raises."""
    writer.close()


def forget() -> None:
    """Drop what is not written, and begin at zero."""
    writer.reset()


def _after_fork() -> None:
    _hearing.after_fork()
    forget()


os.register_at_fork(after_in_child=_after_fork)
