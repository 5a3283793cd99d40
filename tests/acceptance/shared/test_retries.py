"""Celery's `retry` in all its forms, and waiting: the same message is put back, and there is no other."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from celery import Celery, chord

from orchestrator import keys
from tests.acceptance.shared_place import left, letters, wait_until_empty
from tests.processes import Worker, start_worker, wait_until

_QUEUES = ("celery", "other", "other\x06\x166")
_ENVIRONMENT = {"OMNINODE_IMPORTS": "tests.acceptance.retry_tasks,tests.acceptance.canvas_tasks"}


@pytest.fixture(scope="module", autouse=True)
def worker(server: Any) -> Iterator[Worker]:
    with start_worker("--queues", "celery,other", environment=_ENVIRONMENT) as started:
        yield started


@pytest.fixture(autouse=True)
def _nothing_is_left(server: Any) -> Iterator[None]:
    yield
    wait_until_empty(server, *_QUEUES)


def test_changed_arguments_are_those_of_the_next_attempt(app: Celery) -> None:
    assert app.send_task("retry.arguments", args=[1]).get(timeout=30) == [2, "b", 1]


@pytest.mark.parametrize("how", ["countdown", "eta"])
def test_a_retry_waits_its_time_as_one_message_in_state_retry(app: Celery, server: Any, how: str) -> None:
    sent = app.send_task("retry.later", args=[how, 1.5])

    wait_until(lambda: server.zcard(keys.delayed()) == 1, what="the put-back")
    assert sent.state == "RETRY"
    assert left(server, *_QUEUES) == 1
    assert _waiting_ids(server) == [sent.id]
    assert sent.get(timeout=30) == 1
    (pause_seconds,) = _pauses(server, sent)
    assert 1.5 <= pause_seconds < 10


@pytest.mark.parametrize("countdown", [0, 0.2])
def test_a_retry_goes_to_the_queue_and_priority_that_it_names(app: Celery, countdown: float) -> None:
    assert app.send_task("retry.elsewhere", args=[countdown]).get(timeout=30) == ["other", 6, 1]


def test_a_retry_that_is_not_thrown_is_the_outcome_of_its_attempt(app: Celery, server: Any) -> None:
    sent = app.send_task("retry.unthrown")

    wait_until_empty(server, *_QUEUES)
    assert sent.get(timeout=30) == "the outcome"
    assert len(_attempts(server, sent)) == 2


def test_autoretry_backs_off_and_ends_as_one_letter(app: Celery, server: Any) -> None:
    sent = app.send_task("retry.automatic")

    wait_until(lambda: letters(server, sent.id), 30.0, "the letter")
    assert [letter["reason"] for letter in letters(server, sent.id)] == ["retries_exhausted"]
    assert [1 <= pause_seconds < 10 for pause_seconds in _pauses(server, sent)] == [True, True]


@pytest.mark.parametrize(
    ("most", "attempts"), [pytest.param(1, 2, id="fewer"), pytest.param(5, 6, id="more")]
)
@pytest.mark.parametrize("cause", ["", "on purpose"])
def test_a_call_of_retry_may_change_how_often(
    app: Celery, server: Any, most: int, attempts: int, cause: str
) -> None:
    sent = app.send_task("retry.at_most", args=[most, cause])

    wait_until(lambda: letters(server, sent.id), 30.0, "the letter")
    assert [letter["reason"] for letter in letters(server, sent.id)] == ["retries_exhausted"]
    assert len(_attempts(server, sent)) == attempts


@pytest.mark.parametrize("countdown", [0, 0.02])
def test_there_is_one_message_at_every_moment_of_many_retries(
    app: Celery, server: Any, countdown: float
) -> None:
    sent = app.send_task("retry.many", args=[15, countdown])

    seen = set()
    while True:
        # The last attempt stores its result before it is settled: only what was counted earlier counts.
        messages = left(server, *_QUEUES)
        if sent.ready():
            break
        seen.add(messages)
    assert seen == {1}
    assert sent.get(timeout=30) == 15


def test_waiting_between_retries_uses_up_none(app: Celery) -> None:
    assert app.send_task("retry.waits_between").get(timeout=30) == 1


def test_members_of_a_chord_that_are_tried_again_and_wait_return_one_part(app: Celery) -> None:
    header = [app.signature("retry.waits_between"), app.signature("retry.many", args=(3, 0))]

    assert chord(header, app.signature("canvas.total")).apply_async().get(timeout=30) == 4


def _waiting_ids(server: Any) -> list[str]:
    messages = server.hvals(keys.delayed_messages())
    return [json.loads(message.split("\n", 1)[1])["headers"]["id"] for message in messages]


def _attempts(server: Any, sent: Any) -> list[float]:
    return [float(moment) for moment in server.lrange(f"retry:{sent.id}", 0, -1)]


def _pauses(server: Any, sent: Any) -> list[float]:
    return [later - earlier for earlier, later in pairwise(_attempts(server, sent))]
