"""What a task of an installed app does when it fails, in a real worker."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from celery.exceptions import TimeLimitExceeded

from orchestrator import keys, redis
from orchestrator import settings as environment_settings
from orchestrator.dev.stack import Addresses
from orchestrator.errors import InvalidArguments
from orchestrator.install import install
from orchestrator.settings import Settings
from tests.acceptance import probe_tasks
from tests.processes import Worker, start_worker, wait_until
from tests.servers import clean_redis, environment_of, fresh_database

PROBES = {"OMNINODE_IMPORTS": "tests.acceptance.probe_tasks"}


@pytest.fixture(scope="module")
def environment(stack: Addresses, template: str) -> Iterator[Settings]:
    """One for all tests of this file: starting a worker for each would take most of their time."""
    with (
        clean_redis(stack.redis_url) as redis_url,
        fresh_database(stack.database_url, template) as database_url,
        environment_of(stack, redis_url, database_url) as settings,
    ):
        yield settings


@pytest.fixture(scope="module")
def app(environment: Settings) -> Iterator[Celery]:
    installed = install(Celery("tests", set_as_current=False))
    yield installed
    installed.close()


@pytest.fixture(scope="module")
def worker(environment: Settings, app: Celery) -> Iterator[Worker]:
    with start_worker(environment=PROBES) as running:
        yield running


@pytest.fixture
def key() -> str:
    return uuid4().hex


def _attempts(settings: Settings, key: str) -> list[float]:
    return [float(moment) for moment in redis.connect(settings.redis_url).lrange(f"attempts:{key}", 0, -1)]


def test_an_error_that_may_heal_is_tried_again_three_times(
    worker: Worker, app: Celery, environment: Settings, key: str
) -> None:
    with pytest.raises(RuntimeError, match="it may heal"):
        app.send_task("probe.fail", args=[key]).get(timeout=30)

    attempts = _attempts(environment, key)
    pauses = [later - earlier for earlier, later in pairwise(attempts)]
    assert len(attempts) == 4
    assert all(pause < ceiling + 1.5 for pause, ceiling in zip(pauses, (1.0, 2.0, 4.0), strict=True)), pauses


def test_a_permanent_error_is_not_tried_again(
    worker: Worker, app: Celery, environment: Settings, key: str
) -> None:
    with pytest.raises(Exception, match="it cannot heal"):
        app.send_task("probe.fail_for_good", args=[key]).get(timeout=20)

    assert len(_attempts(environment, key)) == 1


def test_a_task_that_recovers_returns_its_result(worker: Worker, app: Celery, key: str) -> None:
    assert app.send_task("probe.recover", args=[key, 1]).get(timeout=20) == 2


def test_bad_arguments_fail_at_once_and_name_the_task(
    worker: Worker, app: Celery, environment: Settings, key: str
) -> None:
    sent = app.send_task("probe.fail", kwargs={"colour": "red"})

    with pytest.raises(InvalidArguments, match=r"probe\.fail: .*unexpected keyword argument"):
        sent.get(timeout=20)

    assert f"[{sent.id}] retry" not in worker.log()


def test_what_the_other_side_asked_for_is_waited_for(
    worker: Worker, app: Celery, environment: Settings, key: str
) -> None:
    with pytest.raises(Exception, match="come back later"):
        app.send_task("probe.busy", args=[key, 3.0]).get(timeout=30)

    first, second = _attempts(environment, key)
    assert second - first >= 3.0


def test_a_task_that_names_its_own_errors_keeps_celerys_behaviour(
    worker: Worker, app: Celery, environment: Settings, key: str
) -> None:
    with pytest.raises(RuntimeError, match="not one of those"):
        app.send_task("probe.celery_retry", args=[key]).get(timeout=20)

    assert len(_attempts(environment, key)) == 1


def test_a_task_may_call_itself_as_a_function(worker: Worker, app: Celery) -> None:
    assert app.send_task("probe.itself", args=[3]).get(timeout=20) == 3


def test_the_message_carries_its_time_and_the_task_its_limits(worker: Worker, app: Celery) -> None:
    before = time.time()

    seen = app.send_task("probe.request").get(timeout=20)

    assert before <= seen["enqueued_at"] <= time.time()
    assert (seen["queue"], seen["soft"], seen["hard"]) == ("celery", 300.0, 330.0)


def test_a_task_beyond_its_hard_limit_is_killed(app: Celery, environment: Settings) -> None:
    limits = {"TIMEOUT_OPERATION_DEFAULT": "1", "TIMEOUT_GRACE_PERIOD": "1"}
    with start_worker("--queues", "limited", environment=PROBES | limits), pytest.raises(TimeLimitExceeded):
        app.send_task("probe.hang", queue="limited").get(timeout=30)


def test_the_workers_limits_count_and_not_those_of_the_producers_environment(
    worker: Worker, app: Celery, environment: Settings
) -> None:
    other = environment.model_copy(update={"timeout_operation_default": 1.0, "timeout_grace_period": 1.0})
    with install(Celery("elsewhere", set_as_current=False), other) as producer:
        seen = producer.tasks[probe_tasks.request.name].delay()

        assert (seen.get(timeout=20)["soft"], seen.get()["hard"]) == (300.0, 330.0)
    environment_settings.use(environment)


def test_a_killed_child_counts_as_a_failed_attempt(
    worker: Worker, app: Celery, environment: Settings, key: str
) -> None:
    assert app.send_task("probe.kill", args=[key]).get(timeout=30) == "lived"

    assert len(_attempts(environment, key)) == 2


def test_every_log_line_about_a_task_is_json_and_names_it(worker: Worker, app: Celery) -> None:
    task_id = app.send_task("probe.request").id
    wait_until(lambda: f"[{task_id}] succeeded" in worker.log(), what=f"the last line about {task_id}")

    lines = [json.loads(line) for line in worker.log().splitlines() if task_id in line]

    assert [line["event"].split("[")[0] for line in lines] == [
        "Task probe.request",
        "a line of the task's own",
        "Task probe.request",
    ]
    assert {(line["task_id"], line["task"]) for line in lines} == {(task_id, "probe.request")}


def test_a_full_broker_neither_stops_a_worker_nor_loses_an_attempt(
    app: Celery, environment: Settings, key: str
) -> None:
    server = redis.connect(environment.redis_url)
    with start_worker("--queues", "full", environment=PROBES):
        try:
            sent = app.send_task("probe.fill_redis", args=[key], queue="full", ignore_result=True)
            # Its second attempt cannot write either; both its retry and its letter can be.
            wait_until(lambda: _reasons(server, sent.id), what="the letter")
        finally:
            server.config_set("maxmemory", 0)

    assert _reasons(server, sent.id) == ["retries_exhausted"]
    assert server.llen("full") == 0


def test_a_worker_without_its_database_does_not_start(environment: Settings) -> None:
    away = {"DATABASE_URL": "postgresql://me:LEAK@127.0.0.1:1/db"}
    started = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "orchestrator", "worker", "--concurrency", "1"],
        env=os.environ | away,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert started.returncode == 1
    assert "PostgreSQL does not answer at postgresql://me:****@127.0.0.1:1/db" in started.stderr
    assert "LEAK" not in started.stdout + started.stderr


def test_an_apps_own_default_queue_is_served_too(environment: Settings) -> None:
    with install(Celery("shop", set_as_current=False)) as plain:
        assert set(plain.amqp.queues) == {"models", "hooks", "admin", "celery"}
    shop = Celery("shop", set_as_current=False)
    shop.conf.task_default_queue = "shop"
    with install(shop):
        assert set(shop.amqp.queues) == {"models", "hooks", "admin", "celery", "shop"}


def _reasons(server: Any, task_id: str) -> list[str]:
    letters = [fields for _, fields in server.xrange(keys.outbox())]
    return [fields["reason"] for fields in letters if fields["task_id"] == task_id]
