"""What cannot be told, written or waited for: still one letter each, and the worker works on."""

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from orchestrator import keys
from tests.acceptance.shared_place import left, letters, wait_until_empty
from tests.processes import Worker, start_worker, wait_until

_QUEUE = "awkward"
_ENVIRONMENT = {"OMNINODE_IMPORTS": "tests.acceptance.awkward_tasks"}
_FAR_AWAY = "2099-01-01T00:00:00+00:00"


@pytest.fixture(scope="module", autouse=True)
def worker(server: Any) -> Iterator[Worker]:
    with start_worker("--queues", _QUEUE, environment=_ENVIRONMENT) as started:
        yield started


@pytest.fixture(autouse=True)
def _still_works(app: Celery, server: Any, worker: Worker) -> Iterator[None]:
    yield
    assert app.send_task("awkward.good", queue=_QUEUE).get(timeout=30) == "good"
    wait_until_empty(server, _QUEUE)
    assert worker.process.poll() is None


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("waits_for_ever", "exception"),
        ("unwritable_header", "exception"),
        ("unwritable_queue", "exception"),
        ("hard", "hard_timeout"),
    ],
)
def test_what_cannot_be_done_is_one_letter(app: Celery, server: Any, task: str, reason: str) -> None:
    sent = app.send_task(f"awkward.{task}", queue=_QUEUE)

    wait_until(lambda: letters(server, sent.id), 40.0, "the letter")

    assert [letter["reason"] for letter in letters(server, sent.id)] == [reason]
    assert sent.state == "FAILURE"


@pytest.mark.parametrize("following", [{"chain": [5]}, {"callbacks": 7}, {"chord": "text"}, [1]])
def test_messages_whose_links_are_none_are_a_letter_each_and_hold_up_no_other(
    app: Celery, server: Any, following: Any
) -> None:
    ids = [_push(app, server, f"{number}-{following}", embedded=following) for number in range(8)]

    wait_until(lambda: all(letters(server, each) for each in ids), 40.0, "the letters")

    assert [[letter["reason"] for letter in letters(server, each)] for each in ids] == [["invalid"]] * 8


def test_unknown_tasks_whose_links_are_none_are_a_letter_each(app: Celery, server: Any) -> None:
    ids = [
        _push(app, server, f"unknown-{number}", task="awkward.nowhere", embedded={"chain": [5]})
        for number in range(8)
    ]

    wait_until(lambda: all(letters(server, each) for each in ids), 40.0, "the letters")

    assert [letters(server, each)[0]["reason"] for each in ids] == ["unknown_task"] * 8


@pytest.mark.parametrize("header", ["task", "id"])
def test_a_header_that_is_no_text_for_redis_is_one_letter(app: Celery, server: Any, header: str) -> None:
    before = server.xlen(keys.outbox())

    _push(app, server, "odd", **{header: "\ud800"})

    wait_until(lambda: server.xlen(keys.outbox()) > before, 40.0, "the letter")
    wait_until(lambda: left(server, _QUEUE) == 0, what="an empty broker")
    assert server.xlen(keys.outbox()) == before + 1


def test_the_mark_of_an_eta_that_was_waited_for_means_nothing_beside_another_eta(
    app: Celery, server: Any
) -> None:
    _push(app, server, "early", eta=_FAR_AWAY, **{"omninode-held": "2020-01-01T00:00:00+00:00"})

    wait_until(lambda: server.zcard(keys.delayed()) == 1, what="its wait")

    server.delete(keys.delayed(), keys.delayed_messages())


def test_a_tick_of_beat_that_has_expired_is_no_letter(app: Celery, server: Any) -> None:
    sent: Any = app.send_task("awkward.good", queue=_QUEUE, expires=-5, headers={"celery_beat_task": True})

    wait_until(lambda: sent.state == "REVOKED", what="the state")

    assert letters(server, sent.id) == []


def test_a_success_whose_workers_died_before_its_settlement_too_often_is_no_letter(
    app: Celery, server: Any
) -> None:
    sent = app.send_task("awkward.good", queue="template")
    raw = server.rpop("template")
    stored: dict[str, Any] = {
        "task_id": sent.id,
        "status": "SUCCESS",
        "result": "good",
        "traceback": None,
        "children": [],
    }
    server.set(f"celery-task-meta-{sent.id}", json.dumps(stored))
    server.hset(keys.deliveries(), hashlib.sha1(raw.encode(), usedforsecurity=False).hexdigest(), 8)

    server.lpush(_QUEUE, raw)

    wait_until_empty(server, _QUEUE)
    wait_until(lambda: server.hlen(keys.deliveries()) == 0, what="its settlement")
    assert letters(server, sent.id) == []
    assert sent.state == "SUCCESS"


def _push(app: Celery, server: Any, task_id: str, *, embedded: Any = None, **headers: Any) -> str:
    """Push a message as a plain producer might; returns its id."""
    app.send_task("awkward.good", queue="template", task_id=task_id)
    message = json.loads(server.rpop("template") or "")
    if embedded is not None:
        body = json.dumps([[], {}, embedded]).encode()
        message["body"] = base64.b64encode(body).decode()
    message["headers"].update(headers)
    server.lpush(_QUEUE, json.dumps(message))
    return task_id
