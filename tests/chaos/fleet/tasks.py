"""The fleet's one task: it asks an HTTP endpoint, and names it as its dependency."""

import os
import urllib.request
from typing import Any

from celery import Celery

from orchestrator.install import install

app = install(Celery("fleet", set_as_current=False))


@app.task(
    name="fleet.ask", bind=True, shared=False, breaker="endpoint", ignore_result=True, retry_base_seconds=0.1
)
def ask(self: Any, number: int) -> None:
    # The process of the worker, so that the one that probes can be found.
    url = f"{os.environ['FLEET_ENDPOINT']}/{number}?retries={self.request.retries}&worker={os.getppid()}"
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 (our own endpoint)
        answer.read()
