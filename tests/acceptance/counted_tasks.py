"""Tasks whose outcomes are known beforehand; each process notes what its events say, as they come.

The notes are lines of `<Unix seconds> <task> <success> <seconds>` in the folder COUNTED_FOLDER, a file a
process, written at once: a process that is killed has noted all that it has told.
"""

import os
import time
from collections.abc import Callable
from typing import Any

from celery import shared_task
from celery.exceptions import Reject
from celery.signals import worker_init

from orchestrator import events

FOLDER = "COUNTED_FOLDER"
RETRIES = 2


class Shaky(Exception):
    """It can heal."""


@shared_task(name="counted.succeed")
def succeed(seconds: float) -> None:
    _work(seconds)


@shared_task(name="counted.refuse", max_retries=0)
def refuse(seconds: float) -> None:
    _work(seconds)
    raise ValueError("it was never right")


@shared_task(name="counted.reject")
def reject(seconds: float) -> None:
    _work(seconds)
    raise Reject("nobody wants it", requeue=False)


@shared_task(name="counted.heal", bind=True, max_retries=RETRIES)
def heal(self: Any, seconds: float) -> None:
    _work(seconds)
    if self.request.retries < RETRIES:
        raise self.retry(exc=Shaky("not yet"), countdown=0)


@shared_task(name="counted.exhaust", bind=True, max_retries=RETRIES)
def exhaust(self: Any, seconds: float) -> None:
    _work(seconds)
    raise self.retry(exc=Shaky("never"), countdown=0)


def _work(seconds: float) -> None:
    if seconds:
        time.sleep(seconds)


@worker_init.connect(dispatch_uid="counted-notes", weak=False)
def _note(**_: Any) -> None:
    folder = os.environ.get(FOLDER)
    if folder:
        events.attach(_noting(folder))


def _noting(folder: str) -> Callable[[events.Event], None]:
    path = f"{folder}/{os.getpid()}"
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def note(event: events.Event) -> None:
        if isinstance(event, events.CallEnded):
            line = f"{time.time()} {event.component} {event.success} {event.duration_seconds!r}\n"
            os.write(file, line.encode())

    return note
