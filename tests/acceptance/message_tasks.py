"""Tasks that note when they ran, how often they began, and in whose worker."""

import json
import time
from typing import Any

from celery import current_app, shared_task

from orchestrator import redis

STARTS = "messages:starts"


@shared_task(name="messages.moment")
def moment() -> float:
    return time.time()


@shared_task(name="messages.note", ignore_result=True)
def note(key: str, number: int) -> None:
    redis.client().rpush(f"messages:notes:{key}", json.dumps([number, time.time()]))


@shared_task(name="messages.nap", ignore_result=True)
def nap() -> None:
    time.sleep(0.002)


@shared_task(name="messages.hold", bind=True)
def hold(self: Any, seconds: float) -> str:
    """Returns the name of the app whose worker it ran in."""
    redis.client().hincrby(STARTS, self.request.id, 1)
    time.sleep(seconds)
    return str(current_app.main)
