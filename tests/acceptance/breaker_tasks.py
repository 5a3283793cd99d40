"""Tasks that depend on something behind a circuit breaker; what they did is kept in Redis."""

import os
import signal
import time
from typing import Any

from celery import shared_task

from orchestrator import keys, redis
from orchestrator.breaker import breaker
from orchestrator.breaker.store import Store
from orchestrator.task import Task
from tests.processes import wait_until

# In Redis: the order in which tasks ran, each with Redis's time; and whether what they depend on is away.
RAN, AWAY = "breakers:ran", "breakers:away"
FAILED_EARLY = "breakers:failed-early"


def _note(word: str) -> str:
    seconds, microseconds = redis.client().time()
    redis.client().rpush(RAN, f"{seconds + microseconds / 1_000_000:.6f} {word}")
    return word


def of_bank(bank: str, *_: Any, **__: Any) -> str:
    return f"bank:{bank}"


@shared_task(name="breakers.pay", base=Task, breaker=of_bank, max_retries=0)
def pay(bank: str, number: int) -> str:
    return _note(f"{bank} {number}")


def _ask(task: Any) -> int:
    """Fail as long as the shop is away; returns how many retries were used."""
    _note("ask")
    if redis.client().exists(AWAY):
        raise ConnectionError("the shop is away")
    return int(task.request.retries)


@shared_task(name="breakers.ask", base=Task, bind=True, breaker="shop", max_retries=2, retry_base_seconds=0.1)
def ask(self: Any) -> int:
    return _ask(self)


@shared_task(
    name="breakers.ask_as_celery",
    base=Task,
    bind=True,
    breaker="shop",
    autoretry_for=(ConnectionError,),
    max_retries=2,
    default_retry_delay=1,
)
def ask_as_celery(self: Any) -> int:
    return _ask(self)


@shared_task(name="breakers.call", autoretry_for=(Exception,), max_retries=0)
def call() -> str:
    """Depends on what it calls itself."""
    with breaker("inner"):
        return _note("call")


@shared_task(name="breakers.hang", base=Task, breaker="hanging", time_limit=1, max_retries=0)
def hang() -> None:
    _note("hang")
    time.sleep(60)


@shared_task(name="breakers.die", base=Task, breaker="deadly", max_retries=0)
def die() -> None:
    _note("die")
    os.kill(os.getpid(), signal.SIGKILL)


class _Early(Task):
    """Its first failure is known before the outage; the worker hears of that before it hears of the retry."""

    abstract = True

    def on_retry(self, *_: Any, **__: Any) -> None:
        client = redis.client()
        Store(client).control("early", "open", who="a test", why="on purpose")
        request: Any = self.request
        queue, headers = request.delivery_info["routing_key"], {"omninode-breaker": "early"}
        self.app.send_task("breakers.pay", ("early", 0), queue=queue, headers=headers)
        wait_until(lambda: client.zcard(keys.aside("early")) == 1, what="what the worker knows")


@shared_task(name="breakers.fail_early", base=_Early, bind=True, breaker="early", max_retries=2)
def fail_early(self: Any) -> int:
    if redis.client().incr(FAILED_EARLY) == 1:
        raise ConnectionError("the first to fail")
    return int(self.request.retries)
