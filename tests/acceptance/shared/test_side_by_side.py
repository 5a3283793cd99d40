"""A plain Celery worker and one of ours on one Redis: neither touches what the other one holds."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from orchestrator import keys
from tests.acceptance import message_tasks
from tests.acceptance.shared_place import left
from tests.processes import Worker, start_worker, wait_until

_ENVIRONMENT = {"OMNINODE_IMPORTS": "tests.acceptance.message_tasks", "OMNINODE_LEASE_SECONDS": "2"}
# Longer than our lease.
_LONG_SECONDS = 4.0


@pytest.fixture(scope="module", autouse=True)
def ours(server: Any) -> Iterator[Worker]:
    with start_worker("--queues", "ours,shared", environment=_ENVIRONMENT, mingles=True) as started:
        yield started


@pytest.fixture
def stock(server: Any) -> Iterator[Worker]:
    with start_worker(
        "--queues", "theirs,shared", app="tests.acceptance.stock_app", mingles=True, fresh=True
    ) as started:
        yield started


def test_stock_and_ours_share_a_redis_and_a_queue_and_each_ends_what_it_holds(
    app: Celery, server: Any, stock: Worker
) -> None:
    own = [app.send_task("messages.hold", args=[_LONG_SECONDS], queue="ours")]
    theirs = [app.send_task("messages.hold", args=[_LONG_SECONDS], queue="theirs")]
    wait_until(lambda: server.hlen(message_tasks.STARTS) == 2, what="both starts")
    shared = [app.send_task("messages.hold", args=[0.05], queue="shared") for _ in range(60)]

    assert server.hlen("unacked") >= 1
    assert server.hlen(keys.claims()) >= 1
    assert [result.get(timeout=60) for result in own] == ["omninode"]
    assert [result.get(timeout=60) for result in theirs] == ["stock"]
    ran_in = Counter(result.get(timeout=60) for result in shared)

    assert set(ran_in) == {"omninode", "stock"}
    wait_until(lambda: left(server, "ours", "theirs", "shared") == 0, what="our settlements")
    wait_until(lambda: server.hlen("unacked") == 0, what="their acknowledgements")
    assert set(server.hvals(message_tasks.STARTS)) == {"1"}


def test_what_a_killed_stock_worker_held_stays_until_stock_or_adopt_takes_it(
    app: Celery, server: Any, stock: Worker
) -> None:
    held = [app.send_task("messages.hold", args=[60], queue="theirs") for _ in range(2)]
    wait_until(lambda: all(server.hexists(message_tasks.STARTS, each.id) for each in held), what="the starts")
    os.killpg(stock.process.pid, signal.SIGKILL)
    stock.process.wait(timeout=10)

    shared = [app.send_task("messages.hold", args=[0.01], queue="shared") for _ in range(20)]
    assert {result.get(timeout=60) for result in shared} == {"omninode"}

    assert server.hlen("unacked") == server.zcard("unacked_index") == 2
    assert [server.hget(message_tasks.STARTS, each.id) for each in held] == ["1", "1"]
