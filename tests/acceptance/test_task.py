"""What a task of an installed app does when it fails, in a real worker."""

import json
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from celery import Celery
from celery.exceptions import TimeLimitExceeded

from orchestrator import redis
from orchestrator.install import install
from orchestrator.settings import Settings
from tests.processes import Worker, start_worker, wait_until


@pytest.fixture
def app(environment: Settings) -> Iterator[Celery]:
    installed = install(Celery("tests", set_as_current=False))
    yield installed
    installed.close()


@pytest.fixture
def worker(environment: Settings, app: Celery) -> Iterator[Worker]:
    with start_worker(environment={"OMNINODE_IMPORTS": "tests.acceptance.probe_tasks"}) as running:
        yield running


def _attempts(settings: Settings, key: str) -> list[float]:
    return [float(moment) for moment in redis.connect(settings.redis_url).lrange(f"attempts:{key}", 0, -1)]


def test_an_error_that_may_heal_is_tried_again_three_times(
    worker: Worker, app: Celery, environment: Settings
) -> None:
    with pytest.raises(RuntimeError, match="it may heal"):
        app.send_task("probe.fail", args=["a"]).get(timeout=30)

    attempts = _attempts(environment, "a")
    pauses = [later - earlier for earlier, later in pairwise(attempts)]
    assert len(attempts) == 4
    assert all(pause < ceiling + 1.5 for pause, ceiling in zip(pauses, (1.0, 2.0, 4.0), strict=True)), pauses


def test_a_permanent_error_is_not_tried_again(worker: Worker, app: Celery, environment: Settings) -> None:
    with pytest.raises(Exception, match="it cannot heal"):
        app.send_task("probe.fail_for_good", args=["a"]).get(timeout=20)

    assert len(_attempts(environment, "a")) == 1


def test_a_task_that_recovers_returns_its_result(worker: Worker, app: Celery) -> None:
    assert app.send_task("probe.recover", args=["a", 1]).get(timeout=20) == 2


def test_bad_arguments_fail_at_once_and_name_the_task(
    worker: Worker, app: Celery, environment: Settings
) -> None:
    with pytest.raises(Exception, match=r"probe\.fail: .*unexpected keyword argument"):
        app.send_task("probe.fail", kwargs={"colour": "red"}).get(timeout=20)

    assert "retry" not in worker.log().lower().replace("task_retry", "")


def test_what_the_other_side_asked_for_is_waited_for(
    worker: Worker, app: Celery, environment: Settings
) -> None:
    with pytest.raises(Exception, match="come back later"):
        app.send_task("probe.busy", args=["a", 3.0]).get(timeout=30)

    first, second = _attempts(environment, "a")
    assert second - first >= 3.0


def test_a_task_that_names_its_own_errors_keeps_celerys_behaviour(
    worker: Worker, app: Celery, environment: Settings
) -> None:
    with pytest.raises(RuntimeError, match="not one of those"):
        app.send_task("probe.celery_retry", args=["a"]).get(timeout=20)

    assert len(_attempts(environment, "a")) == 1


def test_a_task_may_call_itself_as_a_function(worker: Worker, app: Celery) -> None:
    assert app.send_task("probe.itself", args=[3]).get(timeout=20) == 3


def test_the_message_carries_its_time_and_the_task_its_limits(worker: Worker, app: Celery) -> None:
    before = time.time()

    seen = app.send_task("probe.request").get(timeout=20)

    assert before <= seen["enqueued_at"] <= time.time()
    assert (seen["queue"], seen["soft"], seen["hard"]) == ("celery", 300.0, 330.0)


def test_a_task_beyond_its_hard_limit_is_killed(app: Celery, environment: Settings) -> None:
    limits = {"TIMEOUT_OPERATION_DEFAULT": "1", "TIMEOUT_GRACE_PERIOD": "1"}
    imports = {"OMNINODE_IMPORTS": "tests.acceptance.probe_tasks"}
    with start_worker(environment=imports | limits), pytest.raises(TimeLimitExceeded):
        app.send_task("probe.hang").get(timeout=30)


def test_a_killed_child_counts_as_a_failed_attempt(
    worker: Worker, app: Celery, environment: Settings
) -> None:
    assert app.send_task("probe.kill", args=["a"]).get(timeout=30) == "lived"

    assert len(_attempts(environment, "a")) == 2


def test_every_log_line_about_a_task_is_json_and_names_it(worker: Worker, app: Celery) -> None:
    task_id = app.send_task("probe.request").id
    wait_until(lambda: worker.log().count(task_id) >= 3, what=f"three lines about {task_id}")

    lines = [json.loads(line) for line in worker.log().splitlines() if task_id in line]

    assert [line["event"].split("[")[0] for line in lines] == [
        "Task probe.request",
        "a line of the task's own",
        "Task probe.request",
    ]
    assert {(line["task_id"], line["task"]) for line in lines} == {(task_id, "probe.request")}
