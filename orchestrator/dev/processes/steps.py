"""Things that take a while, in one thread: each is a generator that yields while it waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

from orchestrator.errors import StackError

_Result = TypeVar("_Result")
Steps = Generator[None, None, _Result]
_PAUSE_SECONDS = 0.01


def until(condition: Callable[[], bool], limit_seconds: float, complaint: str) -> Steps[None]:
    """Wait for the condition.

    Raises:
        StackError: with the complaint, when it is not true within the limit.
    """
    limit = time.monotonic() + limit_seconds
    while not condition():
        if time.monotonic() > limit:
            raise StackError(f"{complaint} within {limit_seconds:g} seconds")
        yield


def together(
    works: Mapping[str, Steps[_Result]],
    done: Callable[[str, _Result], None],
    check: Callable[[], None] = lambda: None,
) -> dict[str, _Result]:
    """Do all the works at the same time; `done` hears of each result. The first error ends all."""
    left = dict(works)
    results: dict[str, _Result] = {}
    try:
        while left:
            check()
            for name, work in list(left.items()):
                try:
                    next(work)
                except StopIteration as stop:
                    results[name] = stop.value
                    del left[name]
                    done(name, stop.value)
            time.sleep(_PAUSE_SECONDS if left else 0)
    finally:
        for work in left.values():
            work.close()
    return results
