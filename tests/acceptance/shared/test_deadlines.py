"""Limits and deadlines as a real worker keeps them: exactly one outcome, and one letter where one is due."""

import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from celery import Celery, chain, group

from orchestrator import keys, redis
from orchestrator.breaker.state import Action
from orchestrator.breaker.store import Store
from orchestrator.deadletter.death import LETTER, REPLAYS
from orchestrator.settings import Settings
from orchestrator.timeouts import fleet
from tests.acceptance import deadline_tasks
from tests.acceptance.deadline_tasks import BEGAN, ENDED, GO, LEFT, RAN
from tests.acceptance.shared_place import letters, wait_until_empty
from tests.processes import Worker, let_pass, start_worker, wait_until

_QUEUE = "deadlines"
_ENVIRONMENT = {
    "OMNINODE_IMPORTS": deadline_tasks.__name__,
    "OMNINODE_BREAKERS": '{"deadlines": {"ramp_seconds": 0}}',
    "TIMEOUT_GRACE_PERIOD": "0.5",
    "TIMEOUT_GLOBAL_DEFAULT": "1000",
}


@pytest.fixture(scope="module")
def worker(environment: Settings) -> Iterator[Worker]:
    assert environment
    # Other limits than the environment's: by these it is judged what has struck.
    limits = ("--soft-time-limit", "60", "--time-limit", "100")
    with start_worker("--queues", _QUEUE, *limits, environment=_ENVIRONMENT, concurrency=2) as started:
        yield started
        # Whatever became of them, none of these tasks is shown as one that still runs.
        with redis.connect(environment.redis_url) as client:
            wait_until(lambda: not fleet.read(client).entries, what="the end of all that runs")


@pytest.fixture(autouse=True)
def _one_outcome_each(server: Any, worker: Worker) -> Iterator[None]:
    server.delete(RAN, LEFT, ENDED, BEGAN)
    yield
    wait_until_empty(server, _QUEUE)
    assert not worker.process.poll()


@pytest.mark.parametrize("task", ["swallows", "in_c"])
def test_what_does_not_stop_when_told_is_killed_at_its_hard_limit(
    app: Celery, server: Any, worker: Worker, task: str
) -> None:
    sent = _send(app, task)

    (letter,) = _letters(server, sent)

    assert letter["reason"] == "hard_timeout"
    assert letter["exception"] == "billiard.exceptions.TimeLimitExceeded"
    limit = {"swallows": "0.9s", "in_c": "0.7s"}[task]
    assert letter["message"].startswith(f"killed after {limit}, its hard limit: ")
    assert sent.state == "FAILURE"
    assert server.lrange(RAN, 0, -1) == [sent.id]
    lines = _said(worker, sent)
    assert [line["event"] for line in lines] == ["soft_time_limit", "hard_time_limit"]
    assert lines[1]["what"] == f"killed after {limit}, its hard limit"


def test_what_ends_at_its_soft_limit_says_so(app: Celery, server: Any) -> None:
    sent = _send(app, "stops")

    (letter,) = _letters(server, sent)

    assert letter["reason"] == "soft_timeout"
    assert letter["exception"] == "billiard.exceptions.SoftTimeLimitExceeded"
    assert letter["message"].startswith("told to stop after 0.2s, its soft limit: catch ")
    assert "told to stop after 0.2s" in str(sent.result)


def test_what_finishes_within_the_grace_period_has_succeeded(
    app: Celery, server: Any, worker: Worker
) -> None:
    sent = _send(app, "saves")

    assert sent.get(timeout=20) == "saved"

    wait_until(lambda: len(_said(worker, sent)) == 2, what="what the worker says")
    assert [line["event"] for line in _said(worker, sent)] == ["soft_time_limit", "finished_within_grace"]
    assert letters(server, sent.id) == []


def test_a_soft_limit_comes_through_a_timeout_context_and_the_next_one_has_its_limit(app: Celery) -> None:
    sent = _send(app, "limits_itself")

    assert sent.get(timeout=20) == ["long: SoftTimeLimitExceeded", "short: TimeoutExceeded", 2, 1, 0]


def test_a_deadline_holds_for_all_attempts_and_the_last_error_is_told(
    app: Celery, server: Any, worker: Worker
) -> None:
    sent = _send(app, "tries", 0.4, deadline=2.2)

    (letter,) = _letters(server, sent)

    attempts = server.llen(RAN)
    assert attempts >= 4
    left = [float(each) for each in server.lrange(LEFT, 0, -1)]
    assert left == sorted(left, reverse=True)
    assert left[0] <= 2.2
    assert left[-1] <= 0.4 + 0.1
    assert letter["reason"] == "deadline_exceeded"
    assert letter["exception"] == "orchestrator.errors.DeadlineExceeded"
    assert letter["message"].startswith("no further attempt could begin before the deadline (2")
    assert letter["message"].endswith(f"): ValueError: attempt {attempts - 1}")
    assert "no further attempt" in str(sent.result)
    assert 'deadline_tasks.py", line' in letter["traceback"]
    assert f"ValueError: attempt {attempts - 1}\n" in letter["traceback"]
    assert "outcome.py" not in letter["traceback"]
    last = _logged(worker, sent)[-1]
    assert (last["event"], last["level"]) == ("task_not_tried_again", "error")
    assert last["error"] == letter["message"]
    assert (letter["attempts"], sent.state) == (str(attempts), "FAILURE")


def test_a_wait_that_would_end_too_late_is_not_begun(app: Celery, server: Any) -> None:
    sent = _send(app, "waits", deadline=5)

    (letter,) = _letters(server, sent)

    assert letter["reason"] == "deadline_exceeded"
    assert letter["message"].endswith("): the task waits for 1m")
    assert server.lrange(RAN, 0, -1) == [sent.id]


def test_a_retry_that_is_published_anew_keeps_its_deadline(app: Celery) -> None:
    assert 29 < _send(app, "publishes_anew", deadline=31).get(timeout=20) <= 31


def test_each_attempt_tells_in_the_main_process_how_it_ended(app: Celery, server: Any) -> None:
    for task in ("step", "publishes_anew", "swallows"):
        _send(app, task)

    wait_until(lambda: server.llen(ENDED) == 4, what="four ends")
    assert sorted(server.lrange(ENDED, 0, -1)) == [
        "deadlines.publishes_anew run False Retry",
        "deadlines.publishes_anew run True ",
        "deadlines.step run True ",
        "deadlines.swallows run False TimeLimitExceeded",
    ]


def test_how_long_a_task_has_waited_is_told_when_it_begins_for_the_first_time(
    app: Celery, server: Any
) -> None:
    for deadline in (None, 30):
        _send(app, "waits_once", deadline=deadline)
    _send(app, "publishes_anew")
    _send(app, "step", headers={"omninode-enqueued-at": time.time() - 1000})
    _send(app, "step", headers={LETTER: "a1", REPLAYS: 1})
    _send(app, "step", countdown=0.2, headers={"omninode-enqueued-at": time.time() - 1000})
    wait_until(lambda: server.llen(RAN) == 9, what="nine starts")
    wait_until_empty(server, _QUEUE)

    told = [line.split() for line in server.lrange(BEGAN, 0, -1)]

    assert sorted((task, queue, float(waited) > 999) for task, queue, waited in told) == [
        ("deadlines.publishes_anew", _QUEUE, False),
        ("deadlines.step", _QUEUE, False),
        ("deadlines.step", _QUEUE, True),
        ("deadlines.waits_once", _QUEUE, False),
        ("deadlines.waits_once", _QUEUE, False),
    ]


def test_a_worker_ends_what_is_over_in_a_queue_that_nobody_serves(app: Celery, server: Any) -> None:
    app.send_task("deadlines.step", queue="nobody", headers={"omninode-deadline": time.time() + 3600})
    late = app.send_task("deadlines.step", queue="nobody", headers={"omninode-deadline": time.time() - 1})
    blockers = [_send(app, "blocks"), _send(app, "blocks")]
    wait_until(lambda: server.llen(RAN) == len(blockers), what="two blockers")
    served = _send(app, "step", headers={"omninode-deadline": time.time() - 1})
    sweep = app.send_task("omninode.admin.sweep_queues", queue=_QUEUE)
    server.rpush(GO, *(each.id for each in blockers))

    assert sweep.get(timeout=20)["by_queue"] == {"nobody": 1}

    (letter,) = letters(server, late.id)
    assert (letter["reason"], late.state) == ("deadline_exceeded", "FAILURE")
    assert server.llen("nobody") == 1
    assert letters(server, served.id)[0]["message"].endswith("its turn in the queue 'deadlines'")


def test_what_was_killed_is_not_tried_again_after_its_deadline(app: Celery, server: Any) -> None:
    # Its next attempt would begin after a minute. Billiard may notice its death only after some seconds.
    sent = _send(app, "dies", deadline=30)

    (letter,) = _letters(server, sent)

    assert letter["reason"] == "deadline_exceeded"
    assert "): billiard.exceptions.WorkerLostError: Worker exited prematurely" in letter["message"]
    assert server.lrange(RAN, 0, -1) == [sent.id]


def test_a_chain_is_over_with_its_deadline_and_its_remaining_steps_never_run(
    app: Celery, server: Any
) -> None:
    steps = [app.signature("deadlines.step", kwargs={"seconds": seconds}) for seconds in (0.7, 0, 30, 0)]
    sent: Any = chain(*(each.set(queue=_QUEUE) for each in steps)).apply_async(deadline=2)
    ids = [sent.id]
    while sent.parent is not None:
        sent = sent.parent
        ids.insert(0, sent.id)

    (letter,) = _wait_for_letters(server, ids[2])

    assert letter["reason"] == "deadline_exceeded"
    assert letter["message"].startswith("told to stop after ")
    assert server.lrange(RAN, 0, -1) == ids[:3]
    assert [letters(server, each) for each in (ids[0], ids[1], ids[3])] == [[], [], []]
    left: Any = app.AsyncResult(ids[1]).result
    assert left < 1.4


def test_a_task_whose_deadline_is_over_is_never_begun(app: Celery, server: Any, worker: Worker) -> None:
    blockers = [_send(app, "blocks") for _ in range(2)]
    wait_until(lambda: server.llen(RAN) == 2, what="that both processes are busy")

    sent = _send(app, "step", deadline=0.3)
    # As beat sends what is due by its schedule; the second one is a replay.
    tick, replay = (
        _send(app, "step", deadline=0.3, headers={"celery_beat_task": True} | of_replay)
        for of_replay in ({}, {LETTER: "a", REPLAYS: 1})
    )
    let_pass(0.4)
    server.rpush(GO, *(each.id for each in blockers))

    (letter,) = _letters(server, sent)
    assert letter["reason"] == "deadline_exceeded"
    assert letter["message"].startswith("not begun: its deadline was due at 2")
    assert letter["traceback"].startswith("orchestrator.errors.DeadlineExceeded: not begun: ")
    assert len(_letters(server, replay)) == 1
    wait_until(lambda: tick.state == "REVOKED", what="the end of the tick")
    wait_until_empty(server, _QUEUE)
    assert letters(server, tick.id) == []
    assert not {sent.id, tick.id, replay.id} & set(server.lrange(RAN, 0, -1))
    told = [[line["event"] for line in _logged(worker, each)][-1] for each in (sent, tick, replay)]
    assert told == ["task_not_begun", "tick_not_begun", "task_not_begun"]


def test_what_was_due_only_after_its_deadline_says_so(app: Celery, server: Any) -> None:
    # By a producer that does not look at it.
    headers = {"omninode-deadline": time.time() + 0.1}
    sent = _send(app, "step", countdown=0.3, headers=headers)

    (letter,) = _letters(server, sent)

    assert letter["reason"] == "deadline_exceeded"
    assert letter["message"].endswith("which is not before its deadline")
    assert "has waited for its eta (2" in letter["message"]
    assert server.llen(RAN) == 0


def test_its_own_deadline_counts_where_its_producer_does_not_know_it(app: Celery) -> None:
    group_of: Any = group(app.signature("deadlines.has_its_own", queue=_QUEUE) for _ in range(1))

    assert group_of.apply_async(deadline=100).get(timeout=20)[0] <= 20


def test_at_its_deadline_it_is_told_to_stop_and_is_not_tried_again(app: Celery, server: Any) -> None:
    sent = _send(app, "sleeps", deadline=2)

    (letter,) = _letters(server, sent)

    assert letter["reason"] == "deadline_exceeded"
    assert letter["message"].startswith("told to stop after ")
    assert "before its deadline (2" in letter["message"]
    assert server.lrange(RAN, 0, -1) == [sent.id]


def test_at_its_deadline_it_is_killed(app: Celery, server: Any, worker: Worker) -> None:
    sent = _send(app, "sleeps_deaf", deadline=1.2)

    (letter,) = _letters(server, sent)

    assert letter["reason"] == "deadline_exceeded"
    assert letter["message"].startswith("killed after ")
    assert "DeadlineExceeded" in repr(sent.result)
    lines = _said(worker, sent)
    assert [line["event"] for line in lines] == ["soft_time_limit", "hard_time_limit"]
    assert all("deadline" in line for line in lines)


def test_a_default_deadline_does_not_count_the_wait_for_a_breaker(app: Celery, server: Any) -> None:
    _control(server, "open")
    sent = _send(app, "depends")
    wait_until(lambda: server.hlen(keys.aside_messages()) == 1, what="its wait")
    (waiting,) = server.hvals(keys.aside_messages())
    headers = json.loads(waiting.split("\n", 1)[1])["headers"]
    let_pass(0.8)

    _control(server, "close")

    left = sent.get(timeout=20)
    assert "omninode-deadline" not in headers
    assert 999.0 < headers["omninode-deadline-left"] <= 1000
    # What it has run for is less than what it has waited.
    assert headers["omninode-deadline-left"] - left < 0.8


def test_a_deadline_that_was_asked_for_ends_the_wait_for_a_breaker(app: Celery, server: Any) -> None:
    _control(server, "open")

    sent = _send(app, "depends", deadline=0.6)

    (letter,) = _letters(server, sent)
    assert letter["reason"] == "deadline_exceeded"
    assert letter["message"].endswith("has waited for the circuit of 'deadlines'")
    assert server.llen(RAN) == 0
    _control(server, "close")


def test_a_hard_limit_within_a_transaction_leaves_nothing_half_written(
    app: Celery, server: Any, environment: Settings
) -> None:
    with psycopg.connect(environment.database_url, autocommit=True) as database:
        database.execute("CREATE TABLE deadline_rows (number int)")
        sent = _send(app, "writes")

        (letter,) = _letters(server, sent)

        assert letter["reason"] == "hard_timeout"
        wait_until(lambda: _writers(database) == 0, what="the end of its connection")
        assert database.execute("SELECT count(*) FROM deadline_rows").fetchone() == (0,)


def test_a_worker_that_stops_leaves_a_task_its_grace_period(app: Celery, server: Any, worker: Worker) -> None:
    """The last one of this file: it stops their worker."""
    sent = _send(app, "saves_slowly")
    wait_until(lambda: _said(worker, sent), what="that it is told")

    worker.process.send_signal(signal.SIGTERM)

    assert worker.process.wait(20) == 0
    assert sent.get(timeout=20) == "saved"
    assert [line["event"] for line in _said(worker, sent)] == ["soft_time_limit", "finished_within_grace"]
    assert letters(server, sent.id) == []


def _send(app: Celery, task: str, *args: Any, **options: Any) -> Any:
    return app.send_task(f"deadlines.{task}", args, queue=_QUEUE, **options)


def _letters(server: Any, sent: Any) -> list[dict[str, str]]:
    return _wait_for_letters(server, sent.id)


def _wait_for_letters(server: Any, task_id: str) -> list[dict[str, str]]:
    wait_until(lambda: letters(server, task_id), what="its letter")
    wait_until_empty(server, _QUEUE)
    return letters(server, task_id)


def _said(worker: Worker, sent: Any) -> list[dict[str, Any]]:
    """What it has logged of this task's limits."""
    return [
        line for line in _logged(worker, sent) if "time_limit" in line["event"] or "grace" in line["event"]
    ]


def _logged(worker: Worker, sent: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in worker.log().splitlines() if sent.id in line and line[:1] == "{"]


def _control(server: Any, action: Action) -> None:
    Store(server).control("deadlines", action, who="a test", why="on purpose")


def _writers(database: psycopg.Connection[Any]) -> int:
    row = database.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO deadline_rows%'"
    ).fetchone()
    return int(row[0]) if row else 0
