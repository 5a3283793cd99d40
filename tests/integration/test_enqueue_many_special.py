"""Many tasks at once where a template will not do, and where connections break."""

import json
import threading
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from celery import Celery
from celery.signals import before_task_publish
from kombu import Exchange, Queue
from redis import Redis
from redis.exceptions import RedisError

from orchestrator import keys, redis
from orchestrator.enqueue import enqueue_many
from orchestrator.errors import EnqueueInterrupted, InvalidArguments
from orchestrator.install import install
from orchestrator.settings import Settings


@pytest.fixture
def server(environment: Settings) -> Redis:
    return redis.connect(environment.redis_url)


@pytest.fixture
def app(environment: Settings) -> Iterator[Celery]:
    with install(Celery("special", set_as_current=False), environment) as made:
        yield made


@pytest.fixture
def task(app: Celery) -> Any:
    return _task(app)


def _task(app: Celery) -> Any:
    @app.task(name="special.take", ignore_result=True, shared=False)
    def take(*args: Any, **kwargs: Any) -> None:
        pass

    return take


def _messages(server: Redis, queue: str = "celery") -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in reversed(server.lrange(queue, 0, -1))]


def _ids(server: Redis) -> list[str]:
    return [message["headers"]["id"] for message in _messages(server)]


def test_rows_that_were_added_to_a_batch_are_sent(task: Any, server: Redis) -> None:
    enqueue_many(task, [[number] for number in range(3)], batch_id="grows")
    ids = enqueue_many(task, [[number] for number in range(5)], batch_id="grows")

    assert _ids(server) == ids


@pytest.mark.parametrize(("before", "after"), [(300, 700), (500, 501), (501, 1300)])
def test_a_batch_may_grow_over_the_border_of_a_chunk(
    task: Any, server: Redis, before: int, after: int
) -> None:
    enqueue_many(task, [[number] for number in range(before)], batch_id="grows")
    ids = enqueue_many(task, [[number] for number in range(after)], batch_id="grows")

    assert _ids(server) == ids


def test_arguments_that_json_cannot_write_are_taken_for_the_same(task: Any, server: Redis) -> None:
    for number in (1, 2):
        enqueue_many(task, [[{number}]], batch_id="pickled", serializer="pickle")

    assert server.llen("celery") == 1


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"countdown": 600}], ids=str)
def test_large_rows_are_pushed_in_parts_and_a_repeated_batch_pushes_none_twice(
    task: Any, server: Redis, options: dict[str, Any]
) -> None:
    rows = [[number, _noise(5_000_000)] for number in range(4)]
    server.config_resetstat()

    enqueue_many(task, rows[:3], batch_id="large", **options)
    ids = enqueue_many(task, rows, batch_id="large", **options)

    stats: Any = server.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] >= 4
    found: Any = server.hvals(keys.delayed_messages()) or server.lrange("celery", 0, -1)
    assert sorted(json.loads(each.removeprefix("celery\n"))["headers"]["id"] for each in found) == sorted(ids)


def _noise(characters: int) -> str:
    """A text that no compression makes small."""
    return Random(characters).randbytes(characters // 2).hex()


def test_a_row_that_is_too_large_is_refused_with_its_number(
    task: Any, server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.enqueue._LARGEST_BYTES", 10_000)

    with pytest.raises(
        InvalidArguments, match=r"row 3: its message would have 1\d,\d{3} bytes, and 10,000 are"
    ):
        enqueue_many(task, [[1], [2], ["x" * 10_000]])

    assert server.llen("celery") == 0


def test_a_row_whose_exchange_has_several_queues_is_in_each_of_them_once(
    app: Celery, task: Any, server: Redis
) -> None:
    fan = Exchange("fan", type="direct")
    app.conf.task_queues = [Queue(name, fan, routing_key="both") for name in ("one", "two")]
    with app.connection_for_write() as connection:
        for queue in app.conf.task_queues:
            queue.bind(connection.default_channel).declare()

    for _ in range(2):
        enqueue_many(task, [[1], [2]], batch_id="fan", exchange=fan, routing_key="both")
    enqueue_many(task, [[3]], batch_id="later", exchange=fan, routing_key="both", countdown=600)

    assert (server.llen("one"), server.llen("two")) == (2, 2)
    assert server.zcard(keys.delayed()) == server.hlen(keys.delayed_messages()) == 2


def test_a_receiver_of_the_signal_hears_of_every_row(task: Any, server: Redis) -> None:
    def mark(headers: Any = None, body: Any = None, **_: Any) -> None:
        headers["mine"] = [headers["id"], body[0][0]]

    before_task_publish.connect(mark)
    try:
        ids = enqueue_many(task, [[1], [2]])
    finally:
        before_task_publish.disconnect(mark)

    marks = [message["headers"]["mine"] for message in _messages(server)]
    assert marks == [[ids[0], 1], [ids[1], 2]]


def test_a_route_may_look_at_the_arguments(app: Celery, task: Any, server: Redis) -> None:
    app.conf.task_routes = (lambda _name, args, *_, **__: {"queue": f"q{args[0]}"},)

    for _ in range(2):
        enqueue_many(task, [[1], [2], [1]], batch_id="routed")

    assert (server.llen("q1"), server.llen("q2")) == (2, 1)


def test_an_app_that_is_always_eager_sends_nothing(app: Celery, task: Any, server: Redis) -> None:
    app.conf.task_always_eager = True

    enqueue_many(task, [[1]])

    assert server.llen("celery") == 0


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib"},
        {"argsrepr": "hidden", "kwargsrepr": "hidden"},
        {"correlation_id": "own"},
        {"exchange": "celery", "routing_key": "celery"},
        {"group_id": "group", "group_index": 3},
        {"headers": {"own": "header"}},
        {"ignore_result": False},
        {"priority": 0},
        {"replaced_task_nesting": 2},
        {"reply_to": "own"},
        {"root_id": "root", "parent_id": "parent"},
        {"serializer": "pickle"},
        {"shadow": "other"},
        {"stamped_headers": ["own"], "own": "stamp"},
        {"time_limit": 5, "soft_time_limit": 3},
        {"user_id": "own"},
    ],
    ids=str,
)
def test_an_option_means_what_it_means_to_apply_async(
    task: Any, server: Redis, options: dict[str, Any]
) -> None:
    row = (1,), {"two": 2}

    task.apply_async(*row, **options)
    enqueue_many(task, [row], **options)

    stock, mine = (_comparable(message, options) for message in _messages(server))
    assert mine == stock


def _comparable(message: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    for name in {"id", "root_id", "omninode-enqueued-at"} - options.keys():
        message["headers"].pop(name, None)
    for name in {"correlation_id", "delivery_tag"} - options.keys():
        message["properties"].pop(name, None)
    return message


def test_a_batch_over_broken_connections_neither_loses_nor_doubles_a_row(
    task: Any, server: Redis, environment: Settings
) -> None:
    over, cuts = threading.Event(), list[str]()
    cutter = threading.Thread(target=_cut_connections, args=(environment, over, cuts))
    cutter.start()
    try:
        ids = _enqueue_until_accepted(task, [[number] for number in range(3000)])
    finally:
        over.set()
        cutter.join()

    assert len(cuts) > 1
    assert _ids(server) == ids


def _enqueue_until_accepted(task: Any, rows: list[Any]) -> list[str]:
    for _ in range(50):
        try:
            return enqueue_many(task, rows, batch_id="cut")
        except EnqueueInterrupted:
            continue
    raise AssertionError("the batch was never accepted")


def _cut_connections(environment: Settings, over: threading.Event, cuts: list[str]) -> None:
    """Cut every connection to this test's own database, again and again: other tests share the server."""
    client = redis.connect(environment.redis_url)
    database = environment.redis_url.rpartition("/")[2]
    own = client.client_id()
    while not over.wait(0.004):
        for each in client.client_list():
            if each["db"] == database and int(each["id"]) != own:
                try:
                    client.client_kill_filter(_id=each["id"])
                except RedisError:
                    continue  # it was gone already
                cuts.append(each["id"])


def test_a_redis_that_is_away_from_the_start_is_a_sentence(environment: Settings) -> None:
    nowhere = environment.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})

    with (
        install(Celery("away", set_as_current=False), nowhere) as app,
        pytest.raises(EnqueueInterrupted, match="0 rows were accepted"),
    ):
        enqueue_many(_task(app), [[1]])
