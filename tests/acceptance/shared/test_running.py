"""What a real worker runs is shown with its worker, process and limits, and warned of in time."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from click.testing import CliRunner

from orchestrator.cli import cli
from tests.acceptance.running_tasks import END
from tests.listening import listening
from tests.processes import Worker, start_worker, wait_until

_ENVIRONMENT = {
    "OMNINODE_IMPORTS": "tests.acceptance.running_tasks",
    # Of a hundred seconds: one.
    "TIMEOUT_WARNING_THRESHOLD": "0.01",
}


@pytest.fixture(scope="module")
def worker(server: Any) -> Iterator[Worker]:
    with start_worker("--queues", "celery", environment=_ENVIRONMENT) as started:
        yield started


def shown() -> dict[str, dict[str, Any]]:
    result = CliRunner().invoke(cli, ["running", "--json"])
    return {each["name"]: each for each in json.loads(result.output)["running"]}


def test_a_task_and_its_operation_are_shown_until_they_end_and_warned_of_once(
    app: Celery, server: Any, worker: Worker
) -> None:
    with listening(app, "timeout-near") as heard:
        sent = app.send_task("running.waits")
        wait_until(lambda: len(shown()) == 2, what="both")
        wait_until(lambda: heard, what="the warning")
        seen = shown()
        server.rpush(END, "now")
        sent.get(timeout=20)
        wait_until(lambda: shown() == {}, what="the end of both")

    task, operation = seen["running.waits"], seen["running.fetch"]
    assert (task["kind"], task["task_id"], task["worker"]) == ("task", sent.id, worker.node)
    assert (task["limit"], round(task["limit_seconds"])) == ("soft", 100)
    assert 3590 < task["deadline"] - task["started_at"] <= 3600
    assert 1 <= task["percent"] < 10
    assert (operation["worker"], operation["pid"]) == (worker.node, task["pid"])
    assert task["pid"] != worker.process.pid
    (near,) = heard
    assert (near["uuid"], near["name"], near["hostname"]) == (sent.id, "running.waits", worker.node)
    assert (near["limit"], round(near["limit_seconds"]), near["process"]) == ("soft", 100, task["pid"])
    (logged,) = [json.loads(line) for line in worker.log().splitlines() if "task_near_its_limit" in line]
    assert (logged["level"], logged["task_id"], logged["limit"]) == ("warning", sent.id, "soft")
    assert 90 < logged["seconds_left"] < 100
