"""The example application does what its text says, in a worker that was told of it by its module's name."""

import json
from collections.abc import Iterator

import pytest
from celery import Celery

from orchestrator.install import install
from orchestrator.settings import Settings
from tests.commands import omninode
from tests.processes import Worker, start_worker, wait_until

STAR = {
    "event": "star",
    "payload": {
        "action": "created",
        "sender": {"login": "ada"},
        "repository": {"full_name": "ada/engine"},
    },
    "delivery_id": "star-1",
}


@pytest.fixture
def worker(environment: Settings) -> Iterator[Worker]:
    with start_worker(environment={"OMNINODE_IMPORTS": "examples.app"}, fresh=True) as running:
        yield running


def test_its_task_is_an_ordinary_celery_task(worker: Worker, environment: Settings) -> None:
    with install(Celery("tests", set_as_current=False)) as app:
        thanks = app.send_task("example.thank", args=["ada", "ada/engine"]).get(timeout=20)

    assert thanks == "Thank you for the star on ada/engine, ada!"


def test_its_handler_thanks_once_for_a_star_that_is_delivered_twice(
    worker: Worker, environment: Settings
) -> None:
    line = json.dumps(STAR) + "\n"

    assert omninode("hooks", "ingest", "-", stdin=line).code == 0
    assert omninode("hooks", "ingest", "-", stdin=line).code == 0

    succeeded = "Task example.thank[", "succeeded"
    wait_until(lambda: all(word in worker.log() for word in succeeded), what="the thanks")
    received = [
        line for line in worker.log().splitlines() if "example.thank[" in line and " received" in line
    ]
    stats = json.loads(omninode("hooks", "stats", "--json").stdout)
    assert (len(received), stats["processed"], stats["duplicates"]) == (1, 1, 1)
