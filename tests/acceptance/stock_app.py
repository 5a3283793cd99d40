"""A plain Celery app, not ours, on the Redis of the environment; its worker acknowledges late."""

import os

from celery import Celery

app = Celery(
    "stock",
    broker=os.environ["REDIS_URL"],
    backend=os.environ["REDIS_URL"],
    include=["tests.acceptance.message_tasks"],
    set_as_current=False,
)
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)
