"""Messages say what their task depends on, however they are sent."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from orchestrator.enqueue import enqueue_many
from orchestrator.install import install
from orchestrator.settings import Settings

_QUEUE = "stamped"


def _run(bank: str = "") -> None:
    """Nothing is run here."""


@pytest.fixture
def app(environment: Settings) -> Iterator[Celery]:
    with install(Celery("stamped", set_as_current=False), environment) as made:
        made.task(name="stamped.named", shared=False, breaker="bank")(_run)
        made.task(name="stamped.worked_out", shared=False, breaker=lambda bank: f"bank:{bank}")(_run)
        yield made


@pytest.mark.parametrize(
    ("task", "expected"), [("named", ["bank", "bank"]), ("worked_out", ["bank:b", 'bank:"ü"'])]
)
def test_one_and_many_are_stamped_alike(app: Celery, redis_url: str, task: str, expected: list[str]) -> None:
    rows = [["b"], ['"ü"']]
    for row in rows:
        app.send_task(f"stamped.{task}", row, queue=_QUEUE, ignore_result=True)
    enqueue_many(app.tasks[f"stamped.{task}"], rows, queue=_QUEUE, ignore_result=True)

    assert _stamps(redis_url) == [*expected, *expected]


def test_what_a_caller_chooses_counts_more(app: Celery, redis_url: str) -> None:
    chosen: dict[str, Any] = {"headers": {"omninode-breaker": "other"}, "ignore_result": True}
    app.send_task("stamped.named", queue=_QUEUE, **chosen)
    enqueue_many(app.tasks["stamped.worked_out"], [["b"]], queue=_QUEUE, **chosen)

    assert _stamps(redis_url) == ["other", "other"]


def _stamps(redis_url: str) -> list[str]:
    with Redis.from_url(redis_url) as server:
        messages: Any = server.lrange(_QUEUE, 0, -1)
    return [json.loads(message)["headers"]["omninode-breaker"] for message in reversed(messages)]
