"""Tasks that fail, each for its own reason, until their cause is gone: then they say how they were called."""

import os
import signal
import time
from typing import Any

from celery import shared_task
from celery.exceptions import Reject

from orchestrator import redis
from orchestrator.errors import PermanentError

# In Redis: set when the cause of every failure is gone; how often each task has succeeded, by its id.
GONE, RUNS = "letters:gone", "letters:runs"


def _cause_is_gone() -> bool:
    return bool(redis.client().exists(GONE))


def _ran(task: Any, *args: Any, **kwargs: Any) -> list[Any]:
    redis.client().hincrby(RUNS, task.request.id, 1)
    return [list(args), kwargs]


@shared_task(name="letters.exception", bind=True)
def exception(self: Any, number: int, word: str = "") -> list[Any]:
    if not _cause_is_gone():
        raise PermanentError("password=hunter2 is wrong")
    return _ran(self, number, word=word)


@shared_task(name="letters.retries_exhausted", bind=True, max_retries=2)
def retries_exhausted(self: Any) -> list[Any]:
    if not _cause_is_gone():
        raise self.retry(exc=ValueError("not yet"), countdown=0)
    return _ran(self)


@shared_task(name="letters.soft_timeout", bind=True, soft_time_limit=1, time_limit=20, max_retries=0)
def soft_timeout(self: Any) -> list[Any]:
    if not _cause_is_gone():
        time.sleep(15)
    return _ran(self)


@shared_task(name="letters.hard_timeout", bind=True, time_limit=1)
def hard_timeout(self: Any) -> list[Any]:
    if not _cause_is_gone():
        time.sleep(15)
    return _ran(self)


@shared_task(name="letters.worker_lost", bind=True, max_retries=0)
def worker_lost(self: Any) -> list[Any]:
    if not _cause_is_gone():
        os.kill(os.getpid(), signal.SIGKILL)
    return _ran(self)


@shared_task(name="letters.rejected", bind=True)
def rejected(self: Any) -> list[Any]:
    if not _cause_is_gone():
        raise Reject("on purpose", requeue=False)
    return _ran(self)


@shared_task(name="letters.too_many_deliveries", bind=True)
def too_many_deliveries(self: Any) -> list[Any]:
    if not _cause_is_gone():
        raise Reject("on purpose", requeue=True)
    return _ran(self)


@shared_task(name="letters.unserializable_result", bind=True)
def unserializable_result(self: Any) -> Any:
    return _ran(self) if _cause_is_gone() else object()


@shared_task(name="letters.plain", bind=True)
def plain(self: Any, *args: Any, **kwargs: Any) -> list[Any]:
    """Does nothing wrong: what comes to it dies before it begins."""
    return _ran(self, *args, **kwargs)


if "LETTERS_LATER" in os.environ:

    @shared_task(name="letters.unknown_task", bind=True)
    def later(self: Any) -> list[Any]:
        return _ran(self)
