"""The replay of a dead letter: what became of it is written once, and its message tells of its attempts."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery, chord

from orchestrator import keys
from orchestrator.deadletter.death import FAILURES, LETTER, REPLAYS
from tests.acceptance.replay_tasks import HOLD
from tests.acceptance.shared_place import letters, wait_until_empty
from tests.commands import omninode
from tests.processes import Worker, start_worker, wait_until

_ENVIRONMENT = {"OMNINODE_IMPORTS": "tests.acceptance.replay_tasks"}
_REPLAY = {LETTER: "first", REPLAYS: 2}


@pytest.fixture(scope="module", autouse=True)
def worker(server: Any) -> Iterator[Worker]:
    with start_worker(environment=_ENVIRONMENT) as started:
        yield started


@pytest.fixture(autouse=True)
def _outcomes_of_this_test_alone(server: Any) -> Iterator[None]:
    server.delete(keys.outcomes())
    yield
    server.delete(HOLD)


@pytest.mark.parametrize(
    ("task", "args"),
    [
        ("replays.succeeds", []),
        ("replays.ignores", []),
        ("replays.waits", []),
        ("replays.retries", [2]),
        ("replays.retries", [2, "published"]),
    ],
)
def test_a_replay_that_has_ended_well_leaves_one_outcome(
    app: Celery, server: Any, task: str, args: list[Any]
) -> None:
    app.send_task(task, args=args, headers=_REPLAY)

    wait_until_empty(server, "celery")
    (outcome,) = _outcomes(server)
    assert datetime.fromisoformat(outcome.pop("at")).utcoffset() == timedelta(0)
    assert outcome == {"letter_id": "first", "replay": "2", "outcome": "resolved"}


def test_a_member_of_a_chord_that_is_replayed_leaves_one_outcome(app: Celery, server: Any) -> None:
    replayed = app.signature("replays.succeeds", args=[3], headers=_REPLAY)

    body = chord([replayed, app.signature("replays.succeeds", args=[4])], app=app)(
        app.signature("replays.succeeds", kwargs={})
    )

    assert body.get(timeout=30) == [3, 4]
    wait_until_empty(server, "celery")
    assert [outcome["outcome"] for outcome in _outcomes(server)] == ["resolved"]


def test_a_task_that_is_no_replay_leaves_no_outcome(app: Celery, server: Any) -> None:
    app.send_task("replays.succeeds", headers={LETTER: "first", REPLAYS: "many"}).get(timeout=30)

    wait_until_empty(server, "celery")
    assert _outcomes(server) == []


def test_a_replay_that_dies_again_is_a_letter_that_names_the_first_one(app: Celery, server: Any) -> None:
    sent = app.send_task("replays.dies", headers=_REPLAY)

    wait_until(lambda: letters(server, sent.id), what="the letter")
    wait_until_empty(server, "celery")
    (letter,) = letters(server, sent.id)
    headers = json.loads(letter["raw"])["headers"]
    assert (headers[LETTER], headers[REPLAYS]) == ("first", 2)
    assert _outcomes(server) == []


def test_a_replay_that_was_revoked_before_it_began_leaves_one_outcome(app: Celery, server: Any) -> None:
    sent = app.send_task("replays.succeeds", headers=_REPLAY, countdown=1)

    app.control.revoke(sent.id)

    wait_until_empty(server, "celery")
    assert [outcome["outcome"] for outcome in _outcomes(server)] == ["revoked"]


def test_a_replay_that_was_terminated_leaves_one_outcome(app: Celery, server: Any) -> None:
    server.set(HOLD, 1)
    sent = app.send_task("replays.holds", headers=_REPLAY)
    wait_until(lambda: server.exists(f"replays:{sent.id}"), what="its start")

    app.control.revoke(sent.id, terminate=True)

    wait_until_empty(server, "celery")
    assert [outcome["outcome"] for outcome in _outcomes(server)] == ["revoked"]
    assert letters(server, sent.id) == []


@pytest.mark.parametrize(
    ("how", "exception", "words"),
    [
        ("put back", "ValueError", "attempt 0: password=**** \\x1b[31m is wrong"),
        ("killed", "billiard.exceptions.WorkerLostError", "Worker exited prematurely: signal 9 (SIGKILL)"),
        ("without a cause", "celery.exceptions.Retry", ""),
    ],
)
def test_the_next_attempt_knows_that_one_has_failed(
    app: Celery, server: Any, worker: Worker, *, how: str, exception: str, words: str
) -> None:
    sent = app.send_task("replays.retries", args=[1, how], headers=_REPLAY)

    ((at, *told),) = sent.get(timeout=30)

    assert datetime.fromisoformat(at).utcoffset() == timedelta(0)
    assert (told[0], told[2]) == (exception, worker.node)
    assert told[1].startswith(words)
    wait_until_empty(server, "celery")
    assert [outcome["outcome"] for outcome in _outcomes(server)] == ["resolved"]


def test_of_many_failed_attempts_the_first_and_the_last_are_told(app: Celery, server: Any) -> None:
    failures = app.send_task("replays.retries", args=[25]).get(timeout=30)

    told = [each[2].split(":")[0] for each in failures]
    assert told == ["attempt 0", *(f"attempt {number}" for number in range(6, 25))]


@pytest.mark.parametrize("unusual", ["text", 7, {"a": 1}, [1, None, {}], None])
def test_whatever_else_stands_in_that_header_breaks_nothing(app: Celery, unusual: Any) -> None:
    failures = app.send_task("replays.retries", args=[1], headers={FAILURES: unusual}).get(timeout=30)

    before = unusual if isinstance(unusual, list) else []
    assert failures[:-1] == before
    assert failures[-1][1] == "ValueError"


def test_a_task_is_shown_while_it_runs_and_when_it_has_ended(
    app: Celery, server: Any, worker: Worker
) -> None:
    server.set(HOLD, 1)
    sent = app.send_task("replays.holds", kwargs={"password": "hunter2"}, headers=_REPLAY)
    wait_until(lambda: server.exists(f"replays:{sent.id}"), what="its start")
    wait_until(lambda: server.exists(*_names_of_holders(server)), what="the worker's name")

    (running,) = _shown(sent.id)["messages"]

    assert (running["place"], running["queue"], running["worker"]) == ("in flight", "celery", worker.node)
    assert running["has_begun"]
    assert 0 < running["lease_seconds"] <= 30
    assert timedelta(0) <= datetime.now(UTC) - datetime.fromisoformat(running["since"]) < timedelta(minutes=1)
    assert running["kwargs"] == "{'password': '****'}"
    assert (running["letter_id"], running["replay"]) == ("first", 2)
    server.delete(HOLD)
    wait_until_empty(server, "celery")
    ended = _shown(sent.id)
    assert (ended["messages"], ended["result"]["state"]) == ([], "SUCCESS")


def test_a_task_that_has_died_is_shown_with_its_reason(app: Celery, server: Any, worker: Worker) -> None:
    sent = app.send_task("replays.dies")
    wait_until(lambda: letters(server, sent.id), what="the letter")

    found = _shown(sent.id)

    (dead,) = found["messages"]
    assert (dead["place"], dead["reason"], dead["worker"]) == ("dead", "exception", worker.node)
    assert found["result"]["state"] == "FAILURE"
    assert "still broken" in found["result"]["value"]


def _shown(task_id: str) -> Any:
    done = omninode("task", "show", task_id, "--json")
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def _names_of_holders(server: Any) -> list[str]:
    return [keys.holder(claim_id.split("-")[0]) for claim_id in server.hkeys(keys.claims())]


def _outcomes(server: Any) -> list[dict[str, str]]:
    return [fields for _, fields in server.xrange(keys.outcomes())]
