"""Tasks for a worker that holds a lock in its main process just when it makes its next child."""

import threading
import time
from typing import Any

from celery import shared_task, signals
from celery.exceptions import Reject

_LOCK = threading.Lock()


@signals.task_failure.connect(weak=False)
def _hold(**_: Any) -> None:
    """The main process tells of a rejected task; meanwhile it replaces the child that has run it."""
    with _LOCK:
        time.sleep(0.4)


@shared_task(name="forks.rejected")
def rejected() -> None:
    raise Reject("on purpose", requeue=False)


@shared_task(name="forks.takes")
def takes() -> bool:
    """Whether the lock can be had."""
    return _LOCK.acquire(timeout=2)
