"""The peer of `bench/transport.py`: Celery as it is delivered, with the same tasks, serializer and broker."""

import os

from celery import Celery

from bench.load import work

app = Celery("bench", broker=os.environ["REDIS_URL"])
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
work.define(app)
