"""Retries that do not storm: a worker keeps to the budget of a dependency, and gives up what never helps."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from orchestrator import keys
from orchestrator.retry import budget
from tests.acceptance.budget_tasks import RETRIES, WELL
from tests.acceptance.shared_place import left, letters, wait_until_empty
from tests.commands import omninode
from tests.processes import start_worker, wait_until

_ENVIRONMENT = {
    "OMNINODE_IMPORTS": "tests.acceptance.budget_tasks",
    # It never opens: here it is the budget alone that protects the shop.
    "OMNINODE_BREAKERS": json.dumps({"shop": {"failure_threshold": 1_000_000, "failure_rate": None}}),
}


@pytest.fixture(scope="module", autouse=True)
def worker(server: Any) -> Iterator[None]:
    # What the fleet has learned of it: 500 retries of a first attempt, and none helped.
    server.hset(keys.retry_odds("budget.hopeless"), "ValueError|1|vain", 500)
    with start_worker("--queues", "celery", environment=_ENVIRONMENT):
        yield


def test_retries_of_an_outage_keep_to_the_budget_and_none_is_lost(app: Celery, server: Any) -> None:
    began = time.time()
    sent = [app.send_task("budget.pay") for _ in range(200)]
    wait_until(lambda: budget.read(server, "", "shop").first_attempts == 200, what="every first attempt")
    # Those that the budget allows at once have come by then, and all others are due later.
    wait_until(lambda: _due_soon(server, began) == 0, what="the retries of the first seconds")

    assert int(server.get(RETRIES)) + _due_within_a_minute(server, began) <= 50
    assert int(server.get(RETRIES)) >= 10
    assert left(server, "celery") == 200
    counted = budget.read(server, "", "shop")
    assert counted.allowed == 50.0
    assert counted.retries <= 50
    assert counted.delayed >= 150
    shown = omninode("task", "show", _last_due(server)).stdout
    assert "ConnectionError  the shop is away" in shown
    assert "s more: the retry budget of 'shop' is used up" in shown

    server.set(WELL, 1)
    for waiting in server.zrange(keys.delayed(), 0, -1):
        server.zadd(keys.delayed(), {waiting: 1}, xx=True)
    assert [each.get(timeout=30) for each in sent] == [None] * 200
    wait_until_empty(server, "celery")
    assert server.xlen(keys.outbox()) == 0


def test_a_retry_that_never_helps_is_a_dead_letter_that_says_so(app: Celery, server: Any) -> None:
    # A twentieth is tried again all the same, and so is whatever comes before the worker has read the odds.
    dead: list[dict[str, str]] = []

    def one_more() -> bool:
        sent = app.send_task("budget.hopeless")
        wait_until(lambda: letters(server, sent.id), what="its letter")
        dead.extend(letters(server, sent.id))
        return dead[-1]["attempts"] == "1"

    wait_until(one_more, what="a letter after the first attempt")

    letter = dead[-1]
    assert (letter["reason"], letter["exception"]) == ("retries_exhausted", "ValueError")
    assert letter["message"].startswith("no number (not tried again after attempt 1: 0 of 50")
    assert letter["message"].endswith("so the chance is less than 0.6% (with 95% certainty))")
    assert "in hopeless" in letter["traceback"]
    assert "PutBack" not in letter["traceback"]
    assert app.AsyncResult(letter["task_id"]).state == "FAILURE"


@pytest.mark.parametrize(
    ("kind", "attempts", "reason"),
    [
        ("key", 1, "exception"),
        ("model", 2, "retries_exhausted"),
        ("value", 3, "retries_exhausted"),
        ("killed", 1, "worker_lost"),
    ],
)
def test_each_class_of_exception_has_its_own_number_of_retries(
    app: Celery, server: Any, kind: str, attempts: int, reason: str
) -> None:
    sent = app.send_task("budget.by_class", args=[kind])
    wait_until(lambda: letters(server, sent.id), what="its letter")

    (letter,) = letters(server, sent.id)
    assert (letter["attempts"], letter["reason"]) == (str(attempts), reason)


def test_an_error_that_cannot_be_pickled_is_told_by_its_own_class_and_text(app: Celery, server: Any) -> None:
    sent = app.send_task("budget.by_class", args=["http"])
    wait_until(lambda: letters(server, sent.id), what="its letter")

    (letter,) = letters(server, sent.id)
    assert letter["exception"] == "urllib.error.HTTPError"
    assert letter["message"] == "HTTP Error 503: Service Unavailable"
    assert letter["traceback"].endswith("urllib.error.HTTPError: HTTP Error 503: Service Unavailable\n")
    assert "HTTP Error 503: Service Unavailable" in str(sent.result)
    failures = json.loads(letter["raw"])["headers"]["omninode-failures"]
    assert [failure[1:3] for failure in failures] == [
        ["urllib.error.HTTPError", "HTTP Error 503: Service Unavailable"]
    ] * 2


def _dues(server: Any) -> list[float]:
    """When the retries that wait are due, in Unix seconds."""
    return [due / 1000 for _, due in server.zrange(keys.delayed(), 0, -1, withscores=True)]


def _due_soon(server: Any, began: float) -> int:
    waiting = _dues(server)
    is_all_there = len(waiting) == 200
    return sum(due < began + 30 for due in waiting) if is_all_there else -1


def _due_within_a_minute(server: Any, began: float) -> int:
    return sum(due < began + 60 for due in _dues(server))


def _last_due(server: Any) -> str:
    """The id of the task that waits longest."""
    (waiting,) = server.zrange(keys.delayed(), -1, -1)
    raw = server.hget(keys.delayed_messages(), waiting).partition("\n")[2]
    return str(json.loads(raw)["headers"]["id"])
