"""Tasks that run for too long: told to stop, killed, or never begun."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
from celery import shared_task, signals
from celery.exceptions import SoftTimeLimitExceeded

from orchestrator import events, redis, settings
from orchestrator.errors import Wait
from orchestrator.events import Begun, CallEnded, Event
from orchestrator.timeouts import TimeoutConfig, TimeoutExceeded, TimeoutManager, deadline_left

# In Redis: which tasks have begun, by their ids; what is left where one says so; what blocks waits for; how
# attempts have ended; and for how long each task has waited.
RAN, LEFT, GO, ENDED = "deadlines:ran", "deadlines:left", "deadlines:go", "deadlines:ended"
BEGAN = "deadlines:began"


@signals.worker_ready.connect
def _listen(**_: Any) -> None:
    events.attach(_keep)


def _keep(event: Event) -> None:
    if isinstance(event, CallEnded):
        redis.client().rpush(ENDED, f"{event.component} {event.operation} {event.success} {event.error_type}")
    if isinstance(event, Begun):
        redis.client().rpush(BEGAN, f"{event.component} {event.queue} {event.waited_seconds}")


def _task(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Celery's own is typed for whole seconds, and without our options."""
    decorate: Any = shared_task
    return decorate(bind=True, **options)  # type: ignore[no-any-return]


def _began(task: Any) -> None:
    redis.client().rpush(RAN, task.request.id)


@_task(name="deadlines.swallows", soft_time_limit=0.4, time_limit=0.9)
def swallows(self: Any) -> None:
    _began(self)
    while True:
        with suppress(BaseException):
            time.sleep(30)


@_task(name="deadlines.in_c", soft_time_limit=0.3, time_limit=0.7)
def in_c(self: Any) -> int:
    _began(self)
    # One call in C: the handlers of signals wait for its end.
    return sum(range(10**12))


@_task(name="deadlines.stops", soft_time_limit=0.2, time_limit=20)
def stops(self: Any) -> None:
    _began(self)
    time.sleep(30)


@_task(name="deadlines.saves", soft_time_limit=0.4, time_limit=20)
def saves(self: Any) -> str:
    _began(self)
    try:
        time.sleep(30)
    except SoftTimeLimitExceeded:
        return "saved"
    return "slept"


@_task(name="deadlines.limits_itself", soft_time_limit=0.4, time_limit=20)
def limits_itself(self: Any) -> list[Any]:
    _began(self)
    manager = TimeoutManager(TimeoutConfig(enable_progressive_timeout=False))
    struck = []
    for name, seconds in (("long", 15), ("short", 0.2)):
        try:
            with manager.timeout_context(name, seconds):
                time.sleep(18)
        except (SoftTimeLimitExceeded, TimeoutExceeded) as error:
            struck.append(f"{name}: {type(error).__name__}")
    counts = manager.metrics
    return [*struck, counts["failed"], counts["timeouts"], counts["active"]]


@_task(name="deadlines.saves_slowly", soft_time_limit=0.2, time_limit=20)
def saves_slowly(self: Any) -> str:
    _began(self)
    try:
        time.sleep(30)
    except SoftTimeLimitExceeded:
        time.sleep(1)
    return "saved"


@_task(name="deadlines.tries", max_retries=9)
def tries(self: Any, pause_seconds: float) -> None:
    _began(self)
    redis.client().rpush(LEFT, deadline_left() or -1)
    try:
        raise ValueError(f"attempt {self.request.retries}")
    except ValueError as error:
        raise self.retry(exc=error, countdown=pause_seconds) from error


@_task(name="deadlines.publishes_anew", max_retries=1)
def publishes_anew(self: Any) -> float:
    _began(self)
    if not self.request.retries:
        # The message that is put back cannot be another one.
        raise self.retry(countdown=0, serializer="json")
    return deadline_left() or -1


@_task(name="deadlines.dies", max_retries=3, default_retry_delay=60)
def dies(self: Any) -> None:
    _began(self)
    os.kill(os.getpid(), signal.SIGKILL)


@_task(name="deadlines.waits")
def waits(self: Any) -> None:
    _began(self)
    raise Wait(60)


@_task(name="deadlines.waits_once")
def waits_once(self: Any) -> None:
    _began(self)
    if redis.client().lrange(RAN, 0, -1).count(self.request.id) == 1:
        raise Wait(0.01)


@_task(name="deadlines.step")
def step(self: Any, _before: Any = None, *, seconds: float = 0.0) -> float:
    _began(self)
    time.sleep(seconds)
    return deadline_left() or -1


@_task(name="deadlines.has_its_own", deadline=20)
def has_its_own(self: Any) -> float:
    _began(self)
    return deadline_left() or -1


@_task(name="deadlines.blocks")
def blocks(self: Any) -> None:
    _began(self)
    redis.client().blpop([GO], timeout=8)


@_task(name="deadlines.sleeps", max_retries=3)
def sleeps(self: Any) -> None:
    _began(self)
    time.sleep(30)


@_task(name="deadlines.sleeps_deaf")
def sleeps_deaf(self: Any) -> None:
    _began(self)
    while True:
        with suppress(BaseException):
            time.sleep(30)


@_task(name="deadlines.depends", breaker="deadlines")
def depends(self: Any) -> float:
    _began(self)
    return deadline_left() or -1


@_task(name="deadlines.writes", soft_time_limit=20, time_limit=1)
def writes(self: Any) -> None:
    _began(self)
    with psycopg.connect(settings.current().database_url) as database:
        database.execute("INSERT INTO deadline_rows VALUES (1)")
        time.sleep(30)
        database.execute("INSERT INTO deadline_rows VALUES (2)")
