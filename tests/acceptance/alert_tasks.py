"""A task that fails, or takes as long as it is told to, or runs until it is let go."""

import time

from celery import shared_task

from orchestrator import redis
from orchestrator.errors import PermanentError

# In Redis: set when what runs on may end.
LET_GO = "alerts:let-go"


@shared_task(name="alerts.work", max_retries=0)
def work(seconds: float = 0.0, *, fails: bool = False) -> None:
    time.sleep(seconds)
    if fails:
        raise PermanentError("password=hunter2 is wrong")


@shared_task(name="alerts.runs_on", max_retries=0)
def runs_on() -> None:
    while not redis.client().exists(LET_GO):
        time.sleep(0.05)
