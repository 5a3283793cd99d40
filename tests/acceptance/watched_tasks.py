"""Tasks of every kind of end, for those who watch."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from orchestrator.task import Task


def _task(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Celery's own is typed for whole seconds."""
    decorate: Any = shared_task
    return decorate(**options)  # type: ignore[no-any-return]


@_task(name="watched.succeed")
def succeed() -> None:
    """Nothing else."""


@_task(name="watched.fail", max_retries=0)
def fail() -> None:
    raise ValueError("it was never right")


@_task(name="watched.heal", bind=True, max_retries=3)
def heal(self: Any) -> None:
    if not self.request.retries:
        raise self.retry(exc=ConnectionError("not yet"), countdown=0)


@_task(name="watched.hang", max_retries=0, soft_time_limit=0.2, time_limit=0.5)
def hang() -> None:
    while True:
        with suppress(SoftTimeLimitExceeded):
            time.sleep(30)


@_task(name="watched.save", soft_time_limit=0.2, time_limit=20)
def save() -> None:
    with suppress(SoftTimeLimitExceeded):
        time.sleep(30)


@_task(name="watched.die", max_retries=0)
def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@_task(name="watched.trip", base=Task, breaker="bank", max_retries=0)
def trip() -> None:
    raise ConnectionError("the bank is away")
