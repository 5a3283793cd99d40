"""The app of `bench/dying.py`: one task succeeds, the other fails for good; both leave a result."""

import os

from celery import Celery
from celery.signals import worker_init

from bench.load import work
from orchestrator.errors import PermanentError
from orchestrator.install import install

SUCCEEDS, DIES = "bench.succeeds", "bench.dies"

app = install(Celery("bench", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"]))
app.conf.update(include=())
worker_init.disconnect(dispatch_uid="omninode-worker")
work.define(app)


@app.task(name=SUCCEEDS)
def succeeds(row: int) -> int:
    """What every task does that goes well."""
    return row


@app.task(name=DIES)
def dies(row: int) -> None:
    """Fail for good, where the exception was raised two calls deep."""
    _refuse(row)


def _refuse(row: int) -> None:
    raise PermanentError(f"order {row} has no address")
