"""Children that are made while the worker's threads are at work inherit no lock that nobody releases."""

from celery import Celery

from orchestrator.install import install
from orchestrator.settings import Settings
from tests.processes import start_worker

_ENVIRONMENT = {"OMNINODE_IMPORTS": "tests.acceptance.fork_tasks"}


def test_a_child_can_take_a_lock_that_a_thread_held_when_it_was_made(environment: Settings) -> None:
    with (
        install(Celery("forks", set_as_current=False), environment) as app,
        start_worker("--max-tasks-per-child", "1", environment=_ENVIRONMENT, concurrency=2, fresh=True),
    ):
        taken = []
        for _ in range(3):
            app.send_task("forks.rejected")
            taken.append(app.send_task("forks.takes"))

        assert [each.get(timeout=30) for each in taken] == [True] * 3
