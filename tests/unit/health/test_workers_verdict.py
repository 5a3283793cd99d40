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
