"""The peer of `bench/hooks.py`: what one writes without OmniNode, a Celery task that stores a webhook."""

import json
import os
from typing import Any

import psycopg
from celery import Celery
from celery.signals import worker_process_init

app = Celery("stock", broker=os.environ["REDIS_URL"])
app.conf.update(task_ignore_result=True, task_acks_late=True, broker_connection_retry_on_startup=True)
_connections: list[psycopg.Connection[Any]] = []


@worker_process_init.connect
def _connect(**_: Any) -> None:
    _connections[:] = [psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)]


@app.task(name="stock.store")
def store(event: str, payload: dict[str, Any], delivery_id: str) -> None:
    """Store the payload once."""
    _connections[0].execute(
        "INSERT INTO stock_hooks (delivery_id, event, payload) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (delivery_id, event, json.dumps(payload)),
    )
