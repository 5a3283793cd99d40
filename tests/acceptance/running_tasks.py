"""A task that runs, and in it an operation, until it is told to end."""

import time

from celery import shared_task

from orchestrator import redis
from orchestrator.timeouts.running import Running, table

END = "running:end"


@shared_task(name="running.waits", soft_time_limit=100, time_limit=200)
def waits() -> None:
    now = time.monotonic()
    fetch = Running("operation", "running.fetch", now, time.time(), limit_at=now + 50)
    table.enter(fetch)
    redis.client().blpop(END, 9)
    table.leave(fetch)
