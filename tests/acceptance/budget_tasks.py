"""Tasks whose retries keep to a budget, never help, or differ by what went wrong; they note it in Redis."""

import os
import signal
from email.message import Message
from typing import Any
from urllib.error import HTTPError

from billiard.exceptions import WorkerLostError
from celery import shared_task

from orchestrator import redis
from orchestrator.errors import ModelUnavailable, TransientError
from orchestrator.retry.policy import NEVER, RetryPolicy
from orchestrator.task import Task

# The dependency is well while this key is there.
WELL = "budget:well"
RETRIES = "budget:retries"


@shared_task(name="budget.pay", base=Task, breaker="shop", max_retries=50, retry_base_seconds=0.2)
def pay() -> None:
    if pay.request.retries:
        redis.client().incr(RETRIES)
    if not redis.client().exists(WELL):
        raise ConnectionError("the shop is away")


@shared_task(name="budget.hopeless", base=Task, learn_retries=True, max_retries=1, retry_base_seconds=0.01)
def hopeless() -> None:
    raise ValueError("no number")


@shared_task(
    name="budget.by_class",
    base=Task,
    max_retries=2,
    retry_base_seconds=0.01,
    retry_policies={
        KeyError: NEVER,
        WorkerLostError: NEVER,
        TransientError: RetryPolicy(base_seconds=0.02, max_retries=1),
    },
)
def by_class(kind: str) -> None:
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "http":
        raise HTTPError("http://127.0.0.1/", 503, "Service Unavailable", Message(), None)
    errors: dict[str, Any] = {"key": KeyError, "model": ModelUnavailable, "value": ValueError}
    raise errors[kind]("on purpose")
