"""As within a task of a worker: what runs in the block has its request, and its deadline."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from celery._state import _task_stack  # type: ignore[attr-defined]

from orchestrator.timeouts import deadline


@contextmanager
def within_task(left_seconds: float | None = None, **headers: Any) -> Iterator[Any]:
    """A task that has begun, whose message had these headers; its request."""
    app = Celery("within", set_as_current=False)
    task = app.task(name="within.task", shared=False)(_run)
    at = {} if left_seconds is None else {deadline.DEADLINE: time.time() + left_seconds}
    task.push_request(called_directly=False, **at, **headers)
    _task_stack.push(task)
    try:
        deadline.begin(task.request)
        yield task.request
    finally:
        _task_stack.pop()
        task.pop_request()


def _run() -> None:
    """Nothing is run here."""
