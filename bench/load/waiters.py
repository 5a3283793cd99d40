"""The app of `bench/waiting.py`: one task names a dependency, another does the same without one."""

import os

from celery import Celery
from celery.signals import worker_init

from bench.load import work
from orchestrator.breaker import breaker
from orchestrator.install import install
from orchestrator.policy import Policy

WAITS, GOES = "bench.waits", "bench.goes"
DEPENDENCY = "bench-dependency"
# All that waits may go at once: what is measured is how fast that can be.
POLICY = Policy(ramp_seconds=0, ramp_per_second=1_000_000, open_seconds=3600, open_cap_seconds=3600)

app = install(Celery("bench", broker=os.environ["REDIS_URL"]))
app.conf.update(task_ignore_result=True, include=())
worker_init.disconnect(dispatch_uid="omninode-worker")
work.define(app)
breaker(DEPENDENCY, POLICY)


@app.task(name=WAITS, breaker=DEPENDENCY)
def waits(row: int) -> int:
    """Ask the dependency."""
    return row


@app.task(name=GOES)
def goes(row: int) -> int:
    """Ask nobody."""
    return row
