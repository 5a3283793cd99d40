"""Messages from any producer, ours or plain Celery: none is lost, none is early, none waits for ever."""

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from celery import Celery

from orchestrator import keys
from orchestrator.settings import Settings
from tests.acceptance.shared_place import left, letters, stock_app_in, wait_until_empty
from tests.processes import Worker, start_worker, wait_until

_QUEUES = ("celery", "second", "third")
_LATE_SECONDS = 10.0
_ENVIRONMENT = {"OMNINODE_IMPORTS": "tests.acceptance.message_tasks"}


@pytest.fixture(scope="module")
def stock(environment: Settings) -> Iterator[Celery]:
    with stock_app_in(environment) as made:
        yield made


@pytest.fixture(params=["ours", "stock"])
def producer(request: pytest.FixtureRequest, app: Celery, stock: Celery) -> Celery:
    """An app of ours, and one that nobody has installed anything in."""
    return app if request.param == "ours" else stock


@pytest.fixture(scope="module", autouse=True)
def worker(server: Any) -> Iterator[Worker]:
    with start_worker("--queues", ",".join(_QUEUES), environment=_ENVIRONMENT) as started:
        yield started


@pytest.fixture(autouse=True)
def _nothing_is_left(server: Any) -> Iterator[None]:
    yield
    wait_until_empty(server, *_QUEUES)


@pytest.mark.parametrize("how", ["countdown", "eta"])
def test_a_message_with_an_eta_is_not_early_and_hardly_late(producer: Celery, how: str) -> None:
    due = time.time() + 1.2
    when: Any = {"countdown": 1.2} if how == "countdown" else {"eta": datetime.fromtimestamp(due, UTC)}

    ran_at = producer.send_task("messages.moment", **when).get(timeout=30)

    assert 0 <= ran_at - due < _LATE_SECONDS


def test_an_eta_in_another_time_zone_is_the_same_moment(producer: Celery) -> None:
    due = datetime.now(UTC) + timedelta(seconds=1)
    there = due.astimezone(timezone(timedelta(hours=9)))

    ran_at = producer.send_task("messages.moment", eta=there).get(timeout=30)

    assert 0 <= ran_at - due.timestamp() < _LATE_SECONDS


@pytest.mark.parametrize("priority", [0, 3, 6, 9])
def test_messages_of_every_priority_are_consumed(producer: Celery, priority: int) -> None:
    assert producer.send_task("messages.moment", priority=priority).get(timeout=30) > 0


def test_a_message_that_may_expire_later_runs(producer: Celery) -> None:
    assert producer.send_task("messages.moment", expires=600).get(timeout=30) > 0


def test_a_message_that_has_expired_is_one_letter(producer: Celery, server: Any) -> None:
    sent = producer.send_task("messages.moment", expires=-5)

    wait_until(lambda: letters(server, sent.id), what="the letter")
    assert [letter["reason"] for letter in letters(server, sent.id)] == ["expired"]


def test_a_batch_with_and_without_an_eta_loses_nothing_and_nothing_is_early(
    producer: Celery, server: Any
) -> None:
    key = str(uuid.uuid4())
    due = datetime.now(UTC) + timedelta(seconds=1.5)

    pool: Any = producer.producer_pool
    with pool.acquire(block=True) as sender, sender.batch(max_size=50):
        for number in range(200):
            later: Any = {"eta": due} if number % 2 else {}
            producer.send_task("messages.note", args=[key, number], producer=sender, **later)

    wait_until(lambda: server.llen(f"messages:notes:{key}") == 200, 30.0, "all of them")
    seen = [json.loads(each) for each in server.lrange(f"messages:notes:{key}", 0, -1)]
    assert sorted(number for number, _ in seen) == list(range(200))
    assert min(moment for number, moment in seen if number % 2) >= due.timestamp()


def test_an_eta_in_the_year_9999_waits_in_nobodys_hands_and_can_be_purged(
    app: Celery, producer: Celery, server: Any
) -> None:
    producer.send_task("messages.moment", eta=datetime(9999, 12, 31, 23, 59, tzinfo=UTC))

    wait_until(lambda: server.zcard(keys.delayed()) == 1, what="the wait")
    wait_until(lambda: left(server, *_QUEUES) == 1, what="the claim's end")
    assert server.hlen(keys.claims()) == 0
    with app.connection_for_write() as connection:
        assert connection.default_channel.queue_purge("celery") == 1


def test_a_low_priority_is_served_while_high_ones_keep_coming(app: Celery, server: Any) -> None:
    _pile_up(app, server, "celery", 4000)

    assert app.send_task("messages.moment", priority=9).get(timeout=60) > 0
    assert server.llen("celery") > 0
    server.delete("celery")


def test_two_queues_are_served_while_a_third_has_a_long_backlog(app: Celery, server: Any) -> None:
    _pile_up(app, server, "celery", 4000)

    sent = [app.send_task("messages.moment", queue=queue) for queue in ("second", "third") * 10]
    assert all(result.get(timeout=60) > 0 for result in sent)
    assert server.llen("celery") > 0
    server.delete("celery")


def _pile_up(app: Celery, server: Any, queue: str, count: int) -> None:
    """Push copies of one short task at once."""
    app.send_task("messages.nap", queue="template", ignore_result=True)
    message = json.loads(server.rpop("template"))
    copies = []
    for _ in range(count):
        message["headers"]["id"] = message["properties"]["delivery_tag"] = str(uuid.uuid4())
        copies.append(json.dumps(message))
    server.lpush(queue, *copies)
