"""Tasks as a replay runs them: they end in every way, some after attempts in vain."""

import os
import signal
import time
from typing import Any

from celery import shared_task
from celery.exceptions import Ignore

from orchestrator import redis
from orchestrator.errors import PermanentError, Wait

# In Redis: as long as it is there, tasks that wait go on waiting.
HOLD = "replays:hold"


@shared_task(name="replays.succeeds")
def succeeds(number: int = 1) -> int:
    return number


@shared_task(name="replays.dies")
def dies() -> None:
    raise PermanentError("still broken")


@shared_task(name="replays.ignores")
def ignores() -> None:
    raise Ignore


@shared_task(name="replays.holds", bind=True)
def holds(self: Any, password: str = "") -> None:
    redis.client().incr(f"replays:{self.request.id}")
    while redis.client().exists(HOLD):
        time.sleep(0.02)


@shared_task(name="replays.waits", bind=True)
def waits(self: Any) -> None:
    if redis.client().incr(f"replays:{self.request.id}") == 1:
        raise Wait(0.05)


@shared_task(name="replays.retries", bind=True, max_retries=None, default_retry_delay=0)
def retries(self: Any, failures: int, how: str = "put back") -> Any:
    attempt = self.request.retries
    if attempt < failures and how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if attempt < failures and how == "without a cause":
        raise self.retry(countdown=0)
    if attempt < failures:
        options = {"serializer": "json"} if how == "published" else {}
        error = ValueError(f"attempt {attempt}: password=hunter2 \x1b[31m is wrong\nsecond line")
        raise self.retry(exc=error, countdown=0, **options)
    return self.request.headers.get("omninode-failures")
