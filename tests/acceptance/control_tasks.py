"""The app of workers that are controlled, stopped, frozen or cut off: it starts fast, tasks leave traces."""

import os
import signal
import time
from typing import Any

from celery import Celery, chord, signals
from celery.exceptions import Ignore, SoftTimeLimitExceeded
from celery.signals import worker_init
from celery.worker.control import control_command

from orchestrator import redis
from orchestrator.errors import PermanentError
from orchestrator.install import install

# `controlled` reads them; a worker does not import it, nor pytest with it.
STARTS, SIGNALS, RUNS, SECONDS = "control:starts", "control:signals:", "control:runs", "control:seconds"
COUNT = "control:count"
GO = "control:go"

app = install(Celery("control"))
# None of these tasks needs PostgreSQL or OmniNode's own tasks: their workers start in half the time.
worker_init.disconnect(dispatch_uid="omninode-worker")
app.conf.include = []
app.conf.beat_schedule = {}
app.conf.worker_disable_prefetch = os.environ.get("CONTROL_DISABLE_PREFETCH") == "1"
app.conf.worker_soft_shutdown_timeout = float(os.environ.get("CONTROL_SOFT_SHUTDOWN_SECONDS", "0"))


@signals.task_failure.connect(weak=False)
def _failed(task_id: str = "", **_: Any) -> None:
    redis.client().rpush(SIGNALS + task_id, "failure")


@signals.task_retry.connect(weak=False)
def _retried(request: Any = None, **_: Any) -> None:
    redis.client().rpush(SIGNALS + request.id, "retry")


@signals.task_revoked.connect(weak=False)
def _revoked(request: Any = None, **_: Any) -> None:
    redis.client().rpush(SIGNALS + request.id, "revoked")


@control_command(args=[("seconds", float)])  # type: ignore[untyped-decorator]
def wedge(_: Any, seconds: float) -> None:
    """Block the event loop of a worker's main process."""
    time.sleep(seconds)


@control_command()  # type: ignore[untyped-decorator]
def lose_children(state: Any) -> None:
    """Kill the pool's processes and do not notice: a pipe may tell of an end before there is one to see."""
    pool = state.consumer.pool._pool  # noqa: SLF001
    for child in list(pool._pool):  # noqa: SLF001
        pool._untrack_child_process(child, state.consumer.hub)  # noqa: SLF001
        os.kill(child.pid, signal.SIGKILL)


@app.task(name="control.good")
def good() -> str:
    return "good"


@app.task(name="control.pid")
def pid() -> int:
    return os.getpid()


@app.task(name="control.bad")
def bad() -> None:
    raise PermanentError("on purpose")


@app.task(name="control.ignored", bind=True)
def ignored(self: Any) -> None:
    """Ask to be ignored once the test says so."""
    redis.client().hincrby(STARTS, self.request.id, 1)
    while not redis.client().exists(GO):
        time.sleep(0.02)
    raise Ignore


@app.task(name="control.count")
def count(parts: list[Any]) -> int:
    return len(parts)


@app.task(name="control.of_two")
def of_two(queue: str) -> list[str]:
    """Send a chord, one of whose members is ignored; returns the ids of that one and of the body."""
    header = [good.s().set(queue=queue), ignored.s().set(queue=queue)]
    sent: Any = chord(header, count.s().set(queue=queue)).apply_async()
    return [sent.parent.results[1].id, sent.id]


@app.task(name="control.again", bind=True, max_retries=2)
def again(self: Any) -> int:
    if self.request.retries < 1:
        raise self.retry(countdown=0)
    return int(self.request.retries)


@app.task(name="control.slow", bind=True, max_retries=None, default_retry_delay=0)
def slow(self: Any, seconds: float | None = None) -> str:
    """Run again wherever it is killed; without `seconds` it takes as many as the test has set."""
    redis.client().hincrby(STARTS, self.request.id, 1)
    time.sleep(float(redis.client().get(SECONDS) or 0) if seconds is None else seconds)
    redis.client().rpush(RUNS, self.request.hostname)
    return "slow"


@app.task(name="control.pause")
def pause(seconds: float) -> None:
    """Take a while, and need no Redis for it."""
    time.sleep(seconds)


@app.task(name="control.soft", soft_time_limit=1, time_limit=30)
def soft() -> str:
    try:
        time.sleep(20)
    except SoftTimeLimitExceeded:
        return "told in time"
    return "not told"


@app.task(name="control.limited", rate_limit="4/s")
def limited() -> float:
    return time.time()


@app.task(name="control.short")
def short() -> None:
    time.sleep(0.002)
    redis.client().incr(COUNT)
