"""OmniNode's side of `bench/transport.py`: a plain Celery app after `install(app)`, with the bench's tasks.

Its workers take no part in OmniNode's own tasks, and so need no PostgreSQL to migrate.
"""

import os

from celery import Celery
from celery.signals import worker_init

from bench.load import work
from orchestrator.install import install

app = install(Celery("bench", broker=os.environ["REDIS_URL"]))
app.conf.update(task_ignore_result=True, include=())
worker_init.disconnect(dispatch_uid="omninode-worker")
work.define(app)
