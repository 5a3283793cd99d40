"""What a worker and its children record is in the fleet's sums, though each child makes a single call."""

from typing import Any

from celery import Celery

from monitoring.rollup import encoding, processes
from orchestrator import broker, keys
from orchestrator.install import install
from orchestrator.settings import Settings
from tests.processes import start_worker, wait_until

_ENVIRONMENT = {"OMNINODE_IMPORTS": "tests.acceptance.recording_tasks"}
_TASKS = 2


def test_what_children_record_is_written_at_their_end_and_what_the_worker_records_at_its(
    environment: Settings,
) -> None:
    with (
        install(Celery("recordings", set_as_current=False), environment) as app,
        broker.client(environment, decode=True) as client,
    ):
        with start_worker("--max-tasks-per-child", "1", environment=_ENVIRONMENT, concurrency=2) as worker:
            for sent in [app.send_task("recordings.one") for _ in range(_TASKS)]:
                sent.get(timeout=30)
            wait_until(lambda: processes.read(client), what="the worker's process")
            told = processes.read(client)
            worker.process.terminate()
            worker.process.wait(30)
        found: Any = client.hgetall(keys.metrics("totals"))
        sums = encoding.read(found)

    assert sums.of("in a child").count == _TASKS
    assert sums.of("recordings.one", "success").count == _TASKS
    assert sums.waits["celery", "recordings.one"].count == _TASKS
    assert {(each.role, each.node) for each in told} >= {("worker", worker.node)}
    assert client.hlen(keys.metrics("processes")) == 0
    assert client.keys(keys.metrics("added:*")) == []
