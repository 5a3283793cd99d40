"""Every way in which a delivered message can end: one outcome, one letter, and the worker works on."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, chord, group

from orchestrator import keys
from tests.acceptance import row_tasks
from tests.processes import Worker, start_worker, wait_until

_QUEUE = "rows"
_ENVIRONMENT = {
    "OMNINODE_IMPORTS": "tests.acceptance.row_tasks",
    "OMNINODE_MAX_DELIVERIES": "3",
    "OMNINODE_LEASE_SECONDS": "3",
}

Envelope = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def worker(server: Any) -> Iterator[Worker]:
    with start_worker("--queues", _QUEUE, environment=_ENVIRONMENT) as started:
        yield started


@pytest.fixture(autouse=True)
def _still_works(app: Celery, server: Any) -> Iterator[None]:
    yield
    assert app.send_task("rows.good", queue=_QUEUE).get(timeout=30) == "good"
    wait_until(lambda: _left(server) == 0, what="an empty broker")


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("exception", "exception"),
        ("exhausted", "retries_exhausted"),
        ("soft", "soft_timeout"),
        ("hard", "hard_timeout"),
        ("killed", "worker_lost"),
        ("exits", "worker_lost"),
        ("interrupted", "worker_lost"),
        ("cancelled", "exception"),
        ("memory", "exception"),
        ("unpicklable", "exception"),
        ("unserialisable", "unserializable_result"),
        ("rejected", "rejected"),
        ("requeued", "too_many_deliveries"),
        ("hook_fails", "exception"),
    ],
)
def test_a_failure_is_one_letter_one_signal_and_one_state(
    app: Celery, server: Any, task: str, reason: str
) -> None:
    sent = app.send_task(f"rows.{task}", queue=_QUEUE)

    wait_until(lambda: _letters(server, sent.id), 40.0, "the letter")

    (letter,) = _letters(server, sent.id)
    assert (letter["reason"], letter["queue"], letter["task"]) == (reason, _QUEUE, f"rows.{task}")
    assert json.loads(letter["raw"])["headers"]["id"] == sent.id
    assert letter["worker"]
    assert sent.state == "FAILURE"
    assert server.hget(row_tasks.FAILURES, sent.id) == "1"


def test_a_hook_that_was_set_on_the_task_is_called_once_and_may_fail(app: Celery, server: Any) -> None:
    sent = app.send_task("rows.hook_fails", queue=_QUEUE)

    wait_until(lambda: _letters(server, sent.id), what="the letter")

    assert server.lrange(row_tasks.HOOKS, 0, -1).count(sent.id) == 1
    assert sent.state == "FAILURE"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda message: message["headers"].pop("id"), "invalid"),
        (lambda message: message["headers"].pop("task"), "invalid"),
        (lambda message: message["headers"].update(task=["a", "list"]), "invalid"),
        (lambda message: message["headers"].update(task="rows.nowhere"), "unknown_task"),
        (lambda message: message["headers"].update(task="\ud800nope"), "unknown_task"),
        (lambda message: message["headers"].update(id="\ud800"), "invalid"),
        (lambda message: message["headers"].update(eta="no time"), "invalid"),
        (lambda message: message["headers"].update(expires="no time"), "invalid"),
        (lambda message: message["headers"].update(timelimit="soon"), "invalid"),
        (lambda message: message["headers"].update(timelimit=[10**400, None]), "invalid"),
        (lambda message: message["headers"].update(compression="nonsense"), "undecodable"),
        (lambda message: message.update({"content-type": "application/x-python-serialize"}), "invalid"),
        (lambda message: message.update(body=_encoded(b"{no json")), "undecodable"),
        (lambda message: message.update(body=_encoded(b"[1]")), "invalid"),
        (lambda message: message.update(body=_encoded(b"[[], 7, {}]")), "invalid"),
        # What is no base64 in it is passed over: it is empty.
        (lambda message: message.update(body="***"), "invalid"),
        (lambda message: message.pop("body"), "invalid"),
        (lambda message: message.pop("properties"), "bad_envelope"),
        (lambda message: message["properties"].pop("delivery_tag"), "bad_envelope"),
    ],
)
def test_a_message_that_is_no_task_is_one_letter_with_its_bytes(
    app: Celery, server: Any, change: Callable[[Envelope], Any], reason: str
) -> None:
    message = _message(app, server)
    change(message)
    raw = json.dumps(message)

    server.lpush(_QUEUE, raw)

    wait_until(lambda: _with_bytes(server, raw), what="the letter")
    (letter,) = _with_bytes(server, raw)
    assert letter["reason"] == reason


@pytest.mark.parametrize("raw", ["{", "[]", "7", '"text"', "null", ""])
def test_bytes_that_are_no_message_are_one_letter(server: Any, raw: str) -> None:
    server.lpush(_QUEUE, raw)

    wait_until(lambda: _with_bytes(server, raw), what="the letter")

    assert [letter["reason"] for letter in _with_bytes(server, raw)] == ["bad_envelope"]


def test_waiting_uses_up_no_attempt(app: Celery) -> None:
    assert app.send_task("rows.waits", args=[time.time() + 1], queue=_QUEUE).get(timeout=30) == 0


def test_an_expired_task_is_a_letter_and_revoked(app: Celery, server: Any) -> None:
    sent = app.send_task("rows.good", queue=_QUEUE, expires=-5)

    wait_until(lambda: _letters(server, sent.id), what="the letter")

    assert [letter["reason"] for letter in _letters(server, sent.id)] == ["expired"]
    assert _state(sent) == "REVOKED"


def test_a_revoked_task_is_no_letter(app: Celery, server: Any) -> None:
    sent = app.send_task("rows.good", queue=_QUEUE, countdown=2)
    app.control.revoke(sent.id)

    wait_until(lambda: _state(sent) == "REVOKED", what="the state")

    assert _letters(server, sent.id) == []


def test_a_revocation_made_while_no_worker_runs_is_kept(app: Celery, server: Any) -> None:
    sent = app.send_task("rows.good", queue="later")
    app.control.revoke(sent.id)

    with start_worker("--queues", "later", environment=_ENVIRONMENT):
        wait_until(lambda: _state(sent) == "REVOKED", what="the state")


@pytest.mark.parametrize("member", ["exception", "killed", "hard", "rejected", "unknown"])
def test_a_chord_with_a_failing_member_does_not_hang(app: Celery, server: Any, member: str) -> None:
    body = app.signature("rows.total", queue=_QUEUE)
    header = [app.signature("rows.good", queue=_QUEUE), app.signature(f"rows.{member}", queue=_QUEUE)]

    result = chord(group(header, app=app), body, app=app).apply_async()

    wait_until(lambda: result.state == "FAILURE", 40.0, "the body's failure")


def test_an_ignored_member_returns_its_part_of_a_chord(app: Celery) -> None:
    body = app.signature("rows.total", queue=_QUEUE)
    header = [app.signature("rows.good", queue=_QUEUE), app.signature("rows.ignored", queue=_QUEUE)]

    assert chord(group(header, app=app), body, app=app).apply_async().get(timeout=30) == 2


def _state(sent: Any) -> str:
    return str(sent.state)


def _message(app: Celery, server: Any) -> Envelope:
    app.send_task("rows.good", queue="template")
    message: Envelope = json.loads(server.rpop("template") or "")
    return message


def _encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def _letters(server: Any, task_id: str) -> list[dict[str, str]]:
    return [fields for _, fields in server.xrange(keys.outbox()) if fields["task_id"] == task_id]


def _with_bytes(server: Any, raw: str) -> list[dict[str, str]]:
    return [fields for _, fields in server.xrange(keys.outbox()) if fields["raw"] == raw]


def _left(server: Any) -> int:
    held = server.hlen(keys.claims()) + server.zcard(keys.leases()) + server.scard(keys.started())
    return int(held + server.zcard(keys.delayed()) + server.llen(_QUEUE))
