"""Tasks that are tried again in every way that Celery offers; what their attempts saw is noted in Redis."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import shared_task

from orchestrator import redis
from orchestrator.errors import Wait


def _note(task: Any) -> None:
    redis.client().rpush(f"retry:{task.request.id}", time.time())


@shared_task(name="retry.arguments", bind=True)
def arguments(self: Any, number: int, letter: str = "a") -> list[Any]:
    if self.request.retries == 0:
        raise self.retry(args=[number + 1], kwargs={"letter": "b"}, countdown=0)
    return [number, letter, self.request.retries]


@shared_task(name="retry.later", bind=True)
def later(self: Any, how: str, seconds: float) -> int:
    _note(self)
    if self.request.retries == 0:
        if how == "eta":
            raise self.retry(eta=datetime.now(UTC) + timedelta(seconds=seconds))
        raise self.retry(countdown=seconds)
    return int(self.request.retries)


@shared_task(name="retry.elsewhere", bind=True)
def elsewhere(self: Any, countdown: float) -> list[Any]:
    if self.request.retries == 0:
        raise self.retry(queue="other", priority=6, countdown=countdown)
    seen = self.request.delivery_info
    return [seen["routing_key"], seen["priority"], self.request.retries]


@shared_task(name="retry.unthrown", bind=True)
def unthrown(self: Any) -> str:
    _note(self)
    if self.request.retries == 0:
        self.retry(countdown=0, throw=False)
        return "not the outcome"
    return "the outcome"


@shared_task(
    name="retry.automatic",
    bind=True,
    autoretry_for=(KeyError,),
    retry_backoff=1,
    retry_backoff_max=1,
    retry_jitter=False,
    max_retries=2,
)
def automatic(self: Any) -> None:
    _note(self)
    raise KeyError("on purpose")


@shared_task(name="retry.at_most", bind=True, max_retries=3)
def at_most(self: Any, most: int, cause: str) -> None:
    _note(self)
    raise self.retry(exc=ValueError(cause) if cause else None, max_retries=most, countdown=0)


@shared_task(name="retry.many", bind=True, max_retries=None)
def many(self: Any, times: int, countdown: float) -> int:
    if self.request.retries < times:
        raise self.retry(countdown=countdown)
    return int(self.request.retries)


@shared_task(name="retry.waits_between", bind=True, max_retries=1)
def waits_between(self: Any) -> int:
    """Is tried again once, and then waits three times."""
    _note(self)
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    if redis.client().llen(f"retry:{self.request.id}") < 5:
        raise Wait(0.1)
    return int(self.request.retries)
