"""Tasks that fail in known ways, for a real worker to run; what they did is kept in Redis lists."""

import os
import signal
import time
from threading import Event
from typing import Any

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from celery.utils.log import get_task_logger

from orchestrator import redis
from orchestrator.errors import PermanentError, TransientError
from orchestrator.stamp import enqueued_at

logger = get_task_logger(__name__)


def _note(key: str) -> int:
    """Note the time of an attempt; returns how many there have been."""
    return int(str(redis.client().rpush(f"attempts:{key}", time.time())))


@shared_task(name="probe.fail")
def fail(key: str) -> None:
    _note(key)
    raise RuntimeError("it may heal")


@shared_task(name="probe.fail_for_good")
def fail_for_good(key: str) -> None:
    _note(key)
    raise PermanentError("it cannot heal")


@shared_task(name="probe.recover")
def recover(key: str, failures: int) -> int:
    attempts = _note(key)
    if attempts <= failures:
        raise RuntimeError("not yet")
    return attempts


@shared_task(name="probe.busy", max_retries=1)
def busy(key: str, retry_after_seconds: float) -> None:
    _note(key)
    raise TransientError("come back later", retry_after_seconds)


@shared_task(name="probe.fill_redis")
def fill_redis(key: str) -> None:
    """Leave the broker no room for the next attempt."""
    _note(key)
    redis.client().config_set("maxmemory", 1)
    raise RuntimeError("no room for another attempt")


@shared_task(name="probe.celery_retry", autoretry_for=(KeyError,), max_retries=5)
def celery_retry(key: str) -> None:
    _note(key)
    raise RuntimeError("not one of those that this task named")


@shared_task(name="probe.kill", max_retries=2)
def kill(key: str) -> str:
    if _note(key) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "lived"


@shared_task(name="probe.request", bind=True)
def request(self: Any) -> dict[str, Any]:
    logger.info("a line of the task's own")
    soft, hard = self.request.timelimit[::-1] if any(self.request.timelimit) else (None, None)
    return {
        "enqueued_at": enqueued_at(self.request),
        "queue": self.request.delivery_info["routing_key"],
        "soft": soft or self.app.conf.task_soft_time_limit,
        "hard": hard or self.app.conf.task_time_limit,
    }


@shared_task(name="probe.itself", bind=True)
def itself(self: Any, depth: int) -> int:
    """Calls itself as a plain function: no message, no retry, no second request."""
    return 0 if depth == 0 else 1 + int(self(depth - 1))


@shared_task(name="probe.hang")
def hang() -> None:
    """Does not listen to the soft limit."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            Event().wait(60)
        except SoftTimeLimitExceeded:
            logger.info("told to stop, and goes on")
