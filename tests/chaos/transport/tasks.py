"""The tasks of a run, one for each kind: `celery -A tests.chaos.transport.tasks worker`."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from celery.exceptions import Ignore, Reject
from celery.utils.log import get_task_logger

from orchestrator import errors
from orchestrator.errors import PermanentError
from tests.chaos.transport import app as apps
from tests.chaos.transport import conditions, runs
from tests.chaos.transport.kinds import BY_NAME, PLENTY

Body = Callable[[Any, int, int], Any]

CONDITIONS = conditions.read()
app = apps.build(CONDITIONS)
log = get_task_logger(__name__)


class Never(Exception):
    """What a task names that OmniNode shall not try again by itself."""


def task(**options: Any) -> Callable[[Body], Any]:
    """Register the body, called with the task, its index and the number of starts, under its own name."""

    def register(body: Body) -> Any:
        name = body.__name__.removesuffix("_")
        kind = BY_NAME[name]

        def run(self: Any, index: int, seconds: float = 0.0) -> Any:
            starts = runs.begin(CONDITIONS.folder, self.request.id)
            time.sleep(seconds)
            value = body(self, index, starts)
            runs.finish(CONDITIONS.folder, self.request.id)
            return value

        return app.task(bind=True, name=f"chaos.{name}", **{"max_retries": kind.max_retries} | options)(run)

    return register


def follower(body: Callable[[Any, int], Any]) -> Any:
    """Register a body that is called with what came before it: a chord's body, a chain's step."""

    def run(self: Any, before: Any, index: int, seconds: float = 0.0) -> Any:
        runs.begin(CONDITIONS.folder, self.request.id)
        time.sleep(seconds)
        value = body(before, index)
        runs.finish(CONDITIONS.folder, self.request.id)
        return value

    return app.task(bind=True, name=f"chaos.{body.__name__}", max_retries=PLENTY)(run)


@follower
def added(before: int, index: int) -> int:
    return before + 1


@follower
def total(before: list[int | None], index: int) -> int:
    return sum(value or 0 for value in before)


@task()
def ok(self: Any, index: int, starts: int) -> int:
    return index


@task()
def slow(self: Any, index: int, starts: int) -> int:
    return index


@task()
def longer_than_a_lease(self: Any, index: int, starts: int) -> int:
    return index


@task()
def eta(self: Any, index: int, starts: int) -> int:
    return index


@task()
def revoked(self: Any, index: int, starts: int) -> int:
    return index


@task()
def expired(self: Any, index: int, starts: int) -> int:
    return index


@task()
def wrong_arguments(self: Any, index: int, starts: int) -> int:
    return index


@task()
def exception(self: Any, index: int, starts: int) -> None:
    raise PermanentError(f"message {index}")


@task()
def retry_at_once(self: Any, index: int, starts: int) -> int:
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return index


@task()
def retry_later(self: Any, index: int, starts: int) -> int:
    if self.request.retries < 2:
        raise self.retry(countdown=0.4 + 0.6 * self.request.retries)
    return index


@task(autoretry_for=(OSError,), retry_backoff=False, default_retry_delay=0.2)
def autoretry(self: Any, index: int, starts: int) -> int:
    if self.request.retries < 1:
        raise OSError(index)
    return index


@task(retry_base_seconds=0.2)
def heals(self: Any, index: int, starts: int) -> int:
    if self.request.retries < 1:
        raise ValueError(index)
    return index


@task()
def retries_exhausted(self: Any, index: int, starts: int) -> None:
    raise self.retry(countdown=0.1 * (index % 3), exc=PermanentError(f"message {index}"))


@task()
def call_exhausted(self: Any, index: int, starts: int) -> None:
    raise self.retry(countdown=0, exc=PermanentError(f"message {index}"), max_retries=1)


@task(soft_time_limit=0.6, autoretry_for=(Never,))
def soft_limit(self: Any, index: int, starts: int) -> None:
    time.sleep(60)


@task(time_limit=1.0, autoretry_for=(Never,))
def hard_limit(self: Any, index: int, starts: int) -> None:
    time.sleep(60)


@task(default_retry_delay=0.2)
def exit_once(self: Any, index: int, starts: int) -> int:
    if starts == 1:
        os._exit(1)
    return index


@task(default_retry_delay=0.2)
def exit_always(self: Any, index: int, starts: int) -> None:
    os._exit(1)


@task(default_retry_delay=0.2)
def sys_exit(self: Any, index: int, starts: int) -> None:
    sys.exit(3)


@task(autoretry_for=(Never,))
def memory_error(self: Any, index: int, starts: int) -> None:
    raise MemoryError(index)


@task()
def base_exception(self: Any, index: int, starts: int) -> None:
    raise asyncio.CancelledError(index)


@task()
def reject(self: Any, index: int, starts: int) -> None:
    raise Reject("no", requeue=False)


@task()
def reject_requeue(self: Any, index: int, starts: int) -> int:
    if starts < 3:
        raise Reject("not yet", requeue=True)
    return index


@task()
def ignore(self: Any, index: int, starts: int) -> None:
    raise Ignore


@task()
def unserializable(self: Any, index: int, starts: int) -> object:
    return object()


@task()
def wait(self: Any, index: int, starts: int) -> int:
    if starts < 3:
        raise errors.Wait(0.3)  # type: ignore[attr-defined,unused-ignore]
    return index


@task()
def kills_worker(self: Any, index: int, starts: int) -> None:
    # Only prefork pools serve this queue: the parent is the worker's main process.
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
