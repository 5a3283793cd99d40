"""What the workers' answers mean."""

import pytest

from monitoring.health import Degraded, Unhealthy
from monitoring.health.probes.workers import judge

QUEUES = ("models", "hooks", "admin", "celery")


def test_one_worker_on_every_queue_is_healthy() -> None:
    served = {"a@host": [{"name": name} for name in QUEUES]}

    assert judge(served, QUEUES) == "1 worker; every queue is served"


def test_workers_may_share_the_queues() -> None:
    served = {
        "a@host": [{"name": "models"}],
        "b@host": [{"name": "hooks"}, {"name": "admin"}, {"name": "celery"}],
    }

    assert judge(served, QUEUES) == "2 workers; every queue is served"


def test_a_queue_that_nobody_serves_is_named() -> None:
    served = {"a@host": [{"name": "hooks"}, {"name": "celery"}]}

    assert judge(served, QUEUES) == Degraded(
        "1 worker, but nobody serves models, admin: start a worker with `-Q models,admin`"
    )


def test_no_worker_is_unhealthy() -> None:
    with pytest.raises(Unhealthy, match="no worker answers: start one with `celery -A orchestrator worker`"):
        judge({}, QUEUES)


def test_tasks_that_wait_where_nobody_serves_are_told() -> None:
    served = {"a@host": [{"name": name} for name in (*QUEUES, "mail")]}

    assert judge(served, QUEUES, {"mail": 2}) == "1 worker; every queue is served"
    assert judge(served, QUEUES, {"mail": 2, "no body": 3}) == Degraded(
        "1 worker, but 3 tasks wait in 'no body', which nobody serves: start a worker with `-Q 'no body'`, "
        "unless its name is a mistake"
    )


def test_of_many_queues_that_nobody_serves_some_are_named() -> None:
    found = judge({"a@host": [{"name": name} for name in QUEUES]}, QUEUES, {str(n): 1 for n in range(9)})

    assert isinstance(found, Degraded)
    assert "1 task waits in '2', which" in found.sentence
    assert found.sentence.endswith("tasks wait in 6 more queues that nobody serves")
