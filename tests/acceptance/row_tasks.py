"""Tasks that end in every way a task can end."""

import asyncio
import os
import signal
import time
from typing import Any

from celery import shared_task, signals
from celery.exceptions import Ignore, Reject

from orchestrator import redis
from orchestrator.errors import PermanentError, Wait

FAILURES = "rows:failures"
# The tasks whose hook was called, each time.
HOOKS = "rows:hooks"


@signals.task_failure.connect(weak=False)
def _count_failure(task_id: str = "", **_: Any) -> None:
    redis.client().hincrby(FAILURES, task_id, 1)


@shared_task(name="rows.good")
def good() -> str:
    return "good"


@shared_task(name="rows.exception")
def exception() -> None:
    raise PermanentError("on purpose")


@shared_task(name="rows.exhausted", max_retries=2, bind=True)
def exhausted(self: Any) -> None:
    raise self.retry(exc=ValueError("again"), countdown=0)


@shared_task(name="rows.soft", soft_time_limit=1, time_limit=20, max_retries=0)
def soft() -> None:
    time.sleep(15)


@shared_task(name="rows.hard", time_limit=1)
def hard() -> None:
    time.sleep(15)


@shared_task(name="rows.killed", max_retries=1)
def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(name="rows.exits", max_retries=1)
def exits() -> None:
    raise SystemExit(3)


@shared_task(name="rows.interrupted", max_retries=1)
def interrupted() -> None:
    raise KeyboardInterrupt


@shared_task(name="rows.cancelled")
def cancelled() -> None:
    raise asyncio.CancelledError


@shared_task(name="rows.memory", max_retries=0)
def memory() -> None:
    raise MemoryError("on purpose")


@shared_task(name="rows.unpicklable", max_retries=0)
def unpicklable() -> None:
    class Local(Exception):
        def __reduce__(self) -> Any:
            raise TypeError("no pickle")

    raise Local("on purpose")


@shared_task(name="rows.unserialisable")
def unserialisable() -> object:
    return object()


@shared_task(name="rows.rejected")
def rejected() -> None:
    raise Reject("on purpose", requeue=False)


@shared_task(name="rows.requeued")
def requeued() -> None:
    raise Reject("on purpose", requeue=True)


@shared_task(name="rows.ignored")
def ignored() -> None:
    raise Ignore


@shared_task(name="rows.waits", bind=True)
def waits(self: Any, until: float) -> int:
    if time.time() < until:
        raise Wait(0.2)
    return int(self.request.retries)


@shared_task(name="rows.hook_fails", max_retries=0, bind=True)
def hook_fails(self: Any) -> None:
    raise PermanentError("the task's own")


def _failing_hook(exc: Exception, task_id: str, *_: Any, **__: Any) -> None:
    redis.client().rpush(HOOKS, task_id)
    raise RuntimeError("the hook's own")


hook_fails.on_failure = _failing_hook  # type: ignore[method-assign]


@shared_task(name="rows.total")
def total(parts: list[Any]) -> int:
    return len(parts)


@shared_task(name="rows.slow", bind=True)
def slow(self: Any, seconds: float) -> str:
    redis.client().hincrby("rows:starts", self.request.id, 1)
    time.sleep(seconds)
    return "slow"
