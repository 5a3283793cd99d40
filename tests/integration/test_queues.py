"""The operator's commands: queues are looked into, paused, emptied, and exchanged with stock Celery."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from orchestrator import keys, redis
from orchestrator.enqueue import enqueue_many
from orchestrator.install import install
from orchestrator.queues import looking, moving, pausing, survey
from orchestrator.settings import Settings
from tests.servers import clean_redis

_LATER: dict[str, Any] = {"countdown": 600}


@pytest.fixture
def server(environment: Settings) -> Iterator[Redis]:
    clean_redis(environment.redis_url)
    yield redis.connect(environment.redis_url)
    clean_redis(environment.redis_url)


@pytest.fixture
def app(environment: Settings, server: Redis) -> Iterator[Celery]:
    with install(Celery("operated", set_as_current=False), environment) as made:
        yield made


@pytest.fixture
def channel(app: Celery) -> Iterator[Any]:
    with app.connection_for_write() as connection:
        yield connection.default_channel


def test_the_survey_counts_what_waits_and_what_is_due_later(app: Celery, channel: Any) -> None:
    app.send_task("one", queue="orders", priority=9)
    app.send_task("two", queue="orders")
    app.send_task("three", queue="orders", **_LATER)

    (orders,) = [state for state in survey.survey(channel, ["celery"]) if state.name == "orders"]

    assert (orders.waiting, orders.delayed, orders.in_flight) == ({0: 1, 3: 0, 6: 0, 9: 1}, 1, 0)


def test_peek_shows_what_is_claimed_next_and_takes_nothing(app: Celery, channel: Any, server: Redis) -> None:
    app.send_task("first", args=["secret", {"password": "hunter2"}])
    app.send_task("second")
    server.lpush("celery", b"\xff no message")

    shown = looking.peek(channel, "celery", 10)

    assert [each.task for each in shown] == ["first", "second", ""]
    assert shown[2].error
    assert "hunter2" not in shown[0].args
    assert server.llen("celery") == 3


def test_scheduled_shows_the_earliest_first(app: Celery, channel: Any) -> None:
    for name, seconds in (("later", 900), ("sooner", 300)):
        app.send_task(name, countdown=seconds)

    assert [each.task for each in looking.scheduled(channel, None, 10)] == ["sooner", "later"]
    assert looking.scheduled(channel, "elsewhere", 10) == []


def test_a_queue_is_paused_once_and_resumed_once(channel: Any, server: Redis) -> None:
    assert pausing.pause(channel, ["a", "b"]) == 2
    assert pausing.pause(channel, ["a"]) == 0
    assert pausing.resume(channel, ["a", "c"]) == 1
    assert server.smembers(keys.paused()) == {"b"}


def test_purge_deletes_what_waits_and_what_is_due_later(app: Celery, channel: Any, server: Redis) -> None:
    app.send_task("now", queue="a")
    app.send_task("later", queue="a", **_LATER)
    app.send_task("kept", queue="b", **_LATER)

    assert channel.queue_purge("a") == 2
    assert server.llen("a") == 0
    assert server.zcard(keys.delayed()) == server.hlen(keys.delayed_messages()) == 1


def test_ejected_messages_are_plain_ones_again(app: Celery, channel: Any, server: Redis) -> None:
    sent = app.send_task("later", queue="a", priority=6, **_LATER)
    app.send_task("kept", queue="b", **_LATER)

    assert moving.eject(channel, ("a",)) == 1

    (raw,) = server.lrange("a\x06\x166", 0, -1)
    headers = json.loads(raw)["headers"]
    assert headers["id"] == sent.id
    assert headers["eta"] is not None
    assert "omninode-held" not in headers
    assert server.zcard(keys.delayed()) == 1


def test_what_a_stopped_stock_worker_left_is_adopted_once(
    environment: Settings, channel: Any, server: Redis
) -> None:
    sent = _taken_by_stock(environment)
    assert moving.left_by_stock(channel, 3600) == []

    (left,) = moving.left_by_stock(channel, 0)

    assert moving.adopt(channel, left)
    assert not moving.adopt(channel, left)
    message = json.loads(server.lrange("celery", 0, -1)[0])
    assert message["headers"]["id"] == sent
    assert message["properties"]["delivery_info"]["redelivered"]
    assert server.hlen("unacked") == server.zcard("unacked_index") == 0


def _taken_by_stock(environment: Settings) -> str:
    """Have stock's transport take a message and end before it acknowledges."""
    stock = Celery("stock", broker=environment.redis_url, set_as_current=False)
    with stock, stock.connection_for_read() as connection:
        task_id = stock.send_task("left", ignore_result=True).id
        channel = connection.channel()
        channel.do_restore = False
        assert channel.basic_get("celery") is not None
    return str(task_id)


def test_many_are_surveyed(app: Celery, channel: Any) -> None:
    @app.task(name="operated.take")
    def take(number: int) -> None:
        raise AssertionError(number)

    enqueue_many(take, ([number] for number in range(700)), queue="many")

    (many,) = [state for state in survey.survey(channel, []) if state.name == "many"]
    assert many.waiting_in_all == 700
