"""Tasks that ask for what cannot be, and hooks that raise what nobody expects."""

import time
from typing import Any

from celery import shared_task

from orchestrator.errors import Wait


@shared_task(name="awkward.good")
def good() -> str:
    return "good"


@shared_task(name="awkward.waits_for_ever", max_retries=0)
def waits_for_ever() -> None:
    raise Wait(float("inf"))


@shared_task(name="awkward.unwritable_header", bind=True)
def unwritable_header(self: Any) -> None:
    raise self.retry(countdown=0, headers={"own": object()})


@shared_task(name="awkward.unwritable_queue", bind=True)
def unwritable_queue(self: Any) -> None:
    raise self.retry(countdown=0, queue="\ud800")


@shared_task(name="awkward.hard", time_limit=1)
def hard() -> None:
    time.sleep(15)


def _exit(*_: Any) -> None:
    raise SystemExit(3)


# In a worker's main process, after a hard limit.
hard.on_failure = _exit  # type: ignore[assignment]
