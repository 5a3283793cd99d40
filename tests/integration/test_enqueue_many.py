"""Many tasks at once: messages as of `apply_async`; a repeated batch neither loses nor doubles a row."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from orchestrator import keys, redis
from orchestrator.enqueue import enqueue_many
from orchestrator.errors import EnqueueInterrupted, InvalidArguments
from orchestrator.install import install
from orchestrator.settings import Settings

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def server(environment: Settings) -> Iterator[Redis]:
    client = redis.connect(environment.redis_url)
    yield client
    client.config_set("maxmemory", 0)


@pytest.fixture
def task(environment: Settings, server: Redis) -> Iterator[Any]:
    with install(Celery("many", set_as_current=False), environment) as app:

        @app.task(name="many.take", ignore_result=True, shared=False)
        def take(*args: Any, **kwargs: Any) -> None:
            raise AssertionError("it is only enqueued")

        yield take


@given(args=st.lists(_VALUES, max_size=3), kwargs=st.dictionaries(st.text(max_size=5), _VALUES, max_size=2))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_its_messages_are_those_of_apply_async(
    task: Any, server: Redis, args: list[Any], kwargs: Any
) -> None:
    kwargs = {f"k{name}": value for name, value in kwargs.items()}
    server.delete("celery\x06\x163")
    options: dict[str, Any] = {
        "priority": 4,
        "expires": "2099-01-01T00:00:00+00:00",
        "headers": {"own": "header"},
    }

    task.apply_async(args, kwargs, **options)
    (task_id,) = enqueue_many(task, [(args, kwargs)], **options)

    mine, stock = (json.loads(raw) for raw in server.lrange("celery\x06\x163", 0, -1))
    assert mine["headers"]["id"] == mine["properties"]["correlation_id"] == task_id
    assert _comparable(mine) == _comparable(stock)


def test_rows_come_in_their_order_and_their_ids_are_returned(task: Any, server: Redis) -> None:
    ids = enqueue_many(task, ([number] for number in range(1203)))

    waiting = [json.loads(raw) for raw in reversed(server.lrange("celery", 0, -1))]
    assert [message["headers"]["id"] for message in waiting] == ids
    assert [_body(message)[0][0] for message in waiting] == list(range(1203))


def test_a_repeated_batch_pushes_nothing_twice(task: Any, server: Redis) -> None:
    first = enqueue_many(task, [[1], [2], {"three": 3}], batch_id="monday")
    again = enqueue_many(task, [[1], [2], {"three": 3}], batch_id="monday")

    assert first == again
    assert server.llen("celery") == 3


def test_a_batch_that_was_interrupted_goes_on_where_it_stopped(task: Any, server: Redis) -> None:
    def rows(stop_at: int | None) -> Iterator[list[int]]:
        for number in range(1000):
            if number == stop_at:
                server.config_set("maxmemory", 1)
            yield [number]

    with pytest.raises(EnqueueInterrupted, match="500 rows were accepted"):
        enqueue_many(task, rows(700), batch_id="b")
    server.config_set("maxmemory", 0)
    ids = enqueue_many(task, rows(None), batch_id="b")

    waiting = [json.loads(raw)["headers"]["id"] for raw in reversed(server.lrange("celery", 0, -1))]
    assert waiting == ids


def test_a_redis_that_is_full_from_the_start_is_told(task: Any, server: Redis) -> None:
    server.config_set("maxmemory", 1)

    with pytest.raises(EnqueueInterrupted, match=r"Redis is full \(maxmemory\): 0 rows were accepted"):
        enqueue_many(task, [[1]], batch_id="b")


@pytest.mark.parametrize("others", [[[3]], [[1], [3]], [[1], [3], [4]], [[1]]], ids=str)
def test_a_batch_id_that_is_used_again_for_other_rows_is_refused_and_nothing_is_pushed(
    task: Any, server: Redis, others: list[Any]
) -> None:
    enqueue_many(task, [[1], [2]], batch_id="monday")

    with pytest.raises(InvalidArguments, match="batch_id 'monday' was used before, with other rows"):
        enqueue_many(task, others, batch_id="monday")

    assert server.llen("celery") == 2


def test_a_batch_id_that_is_used_again_for_another_task_is_refused(task: Any, server: Redis) -> None:
    app: Celery = task.app

    @app.task(name="many.other", ignore_result=True, shared=False)
    def other(number: int) -> None:
        raise AssertionError(number)

    enqueue_many(task, [[1]], batch_id="monday")

    with pytest.raises(InvalidArguments, match="was used before"):
        enqueue_many(other, [[1]], batch_id="monday")
    assert server.llen("celery") == 1


def test_other_rows_are_found_behind_hundreds_of_the_same(task: Any, server: Redis) -> None:
    enqueue_many(task, [[number] for number in range(700)], batch_id="b")

    with pytest.raises(InvalidArguments, match="row 501 and what follows were not sent"):
        enqueue_many(task, [[number + (number == 600)] for number in range(1200)], batch_id="b")
    assert server.llen("celery") == 700


def test_a_batch_may_be_repeated_with_another_queue_and_pushes_nothing_twice(
    task: Any, server: Redis
) -> None:
    enqueue_many(task, [[1], [2]], batch_id="moved", queue="old")
    enqueue_many(task, [[1], [2], [3]], batch_id="moved", queue="new")

    assert (server.llen("old"), server.llen("new")) == (2, 1)


def test_rows_with_a_countdown_wait_in_redis(task: Any, server: Redis) -> None:
    enqueue_many(task, [[1], [2]], countdown=60)

    assert server.llen("celery") == 0
    assert server.zcard(keys.delayed()) == server.hlen(keys.delayed_messages()) == 2


@pytest.mark.parametrize("row", [7, "text", None])
def test_a_row_that_is_none_is_refused_with_its_number(task: Any, server: Redis, row: Any) -> None:
    with pytest.raises(InvalidArguments, match="row 2 must be"):
        enqueue_many(task, [[1], row])

    assert server.llen("celery") == 0


def _comparable(message: dict[str, Any]) -> dict[str, Any]:
    headers = message["headers"]
    for name in ("id", "root_id", "omninode-enqueued-at"):
        headers.pop(name)
    # A broker that expires messages by itself reads `expiration`; Redis does not, a worker reads `expires`.
    for name in ("correlation_id", "delivery_tag", "expiration"):
        message["properties"].pop(name, None)
    return message | {"body": _body(message)}


def _body(message: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(message["body"]))
