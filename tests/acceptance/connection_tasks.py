"""An app of a user's own that reaches its broker in the way that the environment names; it starts fast."""

import json
import os
import time
from typing import Any

from celery import Celery
from celery.signals import worker_init

from orchestrator import redis
from orchestrator.install import install

app = Celery("connections")
app.conf.broker_transport_options = json.loads(os.environ.get("CONNECTIONS_BROKER_OPTIONS", "{}"))
app.conf.result_backend_transport_options = json.loads(os.environ.get("CONNECTIONS_RESULT_OPTIONS", "{}"))
install(app)
# None of these tasks needs PostgreSQL or OmniNode's own tasks: their workers start in half the time.
worker_init.disconnect(dispatch_uid="omninode-worker")
app.conf.include = []


@app.task(name="connections.good")
def good() -> str:
    return "good"


@app.task(name="connections.slow", bind=True)
def slow(self: Any, seconds: float) -> str:
    redis.client().hincrby("connections:starts", self.request.id, 1)
    time.sleep(seconds)
    return "slow"
