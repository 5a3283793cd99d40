"""The tasks that are measured, the same for each app of Celery's kind: one does nothing, one is retried."""

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import worker_ready

from bench.load import board

NOOP, RETRYING = "bench.noop", "bench.retrying"
RETRIES = 3
READY = "BENCH_READY"


def define(app: Celery) -> None:
    """Give the app its tasks; its workers say in the folder that `READY` names that they are ready."""
    rows = board.shared()

    @app.task(name=NOOP)
    def noop(row: int) -> None:
        rows.run(row)

    @app.task(name=RETRYING, bind=True)
    def retrying(self: Any, row: int) -> None:
        rows.run(row)
        if self.request.retries < RETRIES:
            raise self.retry(countdown=0, max_retries=RETRIES)

    worker_ready.connect(_say_so, weak=False)


def _say_so(**_: Any) -> None:
    (Path(os.environ[READY]) / str(os.getpid())).touch()
