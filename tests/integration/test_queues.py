"""The operator's commands: queues are looked into, paused, emptied, and exchanged with stock Celery."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from amqp.exceptions import ChannelError
from celery import Celery
from redis import Redis

from orchestrator import keys, redis
from orchestrator.enqueue import enqueue_many
from orchestrator.errors import NotAQueue
from orchestrator.install import install
from orchestrator.queues import adoption, ejection, looking, pausing, survey
from orchestrator.settings import Settings
from orchestrator.transport import asides, scripts
from tests.asides import set_aside
from tests.commands import omninode
from tests.processes import start_worker, wait_until

_LATER: dict[str, Any] = {"countdown": 600}


@pytest.fixture
def server(environment: Settings) -> Redis:
    return redis.connect(environment.redis_url)


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


def test_a_list_of_tasks_is_found_without_a_declaration_and_other_lists_by_who_looks_at_all_keys(
    app: Celery, environment: Settings, server: Redis
) -> None:
    app.send_task("lost", queue="typo")
    server.lpush("shopping", "bread")

    known = json.loads(omninode("queues", "list", "--json").stdout)["queues"]
    everything = json.loads(omninode("queues", "list", "--all", "--json").stdout)["queues"]

    assert [each["waiting_in_all"] for each in known if each["name"] == "typo"] == [1]
    assert "shopping" not in {each["name"] for each in known}
    assert [each["waiting_in_all"] for each in everything if each["name"] == "shopping"] == [1]


def test_a_prefix_with_signs_of_patterns_is_taken_as_it_is(environment: Settings, server: Redis) -> None:
    options = {"global_keyprefix": "a[b]*\\:"}
    with (
        install(Celery("odd", set_as_current=False, broker_transport_options=options), environment) as odd,
        odd.connection_for_write() as connection,
    ):
        odd.send_task("one", queue="own")
        server.lpush("abc\\:foreign", "another program's")
        server.lpush("ab\\:foreign", "another program's")

        states = survey.survey(connection.default_channel, [], whole=True)

    assert [(state.name, state.waiting_in_all) for state in states] == [("own", 1)]


def test_the_oldest_in_flight_is_told_by_its_queue_and_nobody_fetches_messages(
    channel: Any, server: Redis
) -> None:
    now = time.time()
    for number, (queue, age) in enumerate([("a", 50), ("a\x06\x169", 500), ("b", 5)] * 100):
        server.hset(keys.claims(), str(number), f"{queue}\n{_message(now - age)}")
    server.hset(keys.claims(), "broken", "b\n\0 no message")
    server.hset(keys.claims(), "without", f"b\n{_message('no time')}")
    server.hset(keys.claims(), "infinite", f"b\n{_message(float('-inf'))}")

    sent_before = _sent_bytes(server)
    states = survey.survey(channel, ["c"])
    assert _sent_bytes(server) - sent_before < 1_000_000

    found = {each.name: (each.in_flight, each.oldest_in_flight_seconds) for each in states}
    assert {name: in_flight for name, (in_flight, _) in found.items()} == {"a": 200, "b": 103, "c": 0}
    assert 500 <= (found["a"][1] or 0) < 500 + 60
    assert 5 <= (found["b"][1] or 0) < 5 + 60
    assert found["c"][1] is None


def _message(enqueued_at: Any) -> str:
    """A large one, whose arguments speak of a header too."""
    headers = {"argsrepr": '"omninode-enqueued-at": 1', "omninode-enqueued-at": enqueued_at}
    return json.dumps({"body": "x" * 20_000, "headers": headers}).replace("-Infinity", "-1e999")


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


@pytest.mark.parametrize(
    "name", [keys.claims(), keys.delayed(), keys.outbox(), "_kombu.binding.celery", "own"]
)
def test_a_purge_of_what_is_no_queue_is_refused_and_deletes_nothing(
    app: Celery, channel: Any, server: Redis, name: str
) -> None:
    app.send_task("later", **_LATER)
    app.send_task("now")
    server.hset(keys.claims(), "claim", "celery\nraw")
    server.xadd(keys.outbox(), {"id": "letter"})
    server.sadd("_kombu.binding.celery", "binding")
    server.set("own", "value")
    before = {key: server.dump(key) for key in server.scan_iter()}

    with pytest.raises(NotAQueue, match="nothing was deleted"):
        channel.queue_purge(name)

    assert {key: server.dump(key) for key in server.scan_iter()} == before


def test_many_delayed_messages_are_counted_and_purged_by_their_queue_alone(
    app: Celery, channel: Any, server: Redis
) -> None:
    @app.task(name="operated.later", shared=False)
    def take(number: int) -> None:
        raise AssertionError(number)

    for queue, many in (("a", 1500), ("b", 700)):
        enqueue_many(take, ([number] for number in range(many)), queue=queue, countdown=600)
    app.send_task("urgent", queue="a", priority=9, **_LATER)

    surveyed = {state.name: state.delayed for state in survey.survey(channel, [])}
    asked = channel.queue_declare("a", passive=True).message_count
    purged = channel.queue_purge("a")

    assert (surveyed["a"], surveyed["b"], asked, purged) == (1501, 700, 1501, 1501)
    assert server.zcard(keys.delayed()) == server.hlen(keys.delayed_messages()) == 700


def test_only_who_asks_passively_pays_for_a_count_and_nobody_fetches_messages(
    channel: Any, server: Redis
) -> None:
    with server.pipeline() as steps:
        for number in range(1000):
            steps.hset(keys.delayed_messages(), str(number), "a\n" + "b" * 20_000)
            steps.zadd(keys.delayed(), {str(number): 4e12})
        steps.execute()

    sent_before = _sent_bytes(server)
    assert channel.queue_declare("a").message_count == 0
    assert channel.queue_declare("a", passive=True).message_count == 1000
    assert [state.delayed for state in survey.survey(channel, []) if state.name == "a"] == [1000]
    assert _sent_bytes(server) - sent_before < 5_000_000


def test_a_queue_whose_messages_are_all_due_later_is_there_for_who_asks(app: Celery, channel: Any) -> None:
    app.send_task("later", queue="a", **_LATER)

    assert channel.queue_declare("a", passive=True).message_count == 1
    with pytest.raises(ChannelError, match="NOT_FOUND"):
        channel.queue_declare("nowhere", passive=True)


def test_a_purge_leaves_what_was_put_back_under_its_id_for_another_queue(
    app: Celery, channel: Any, server: Redis
) -> None:
    script = server.register_script(scripts.load("purge").text)
    places = [keys.delayed(), keys.delayed_messages()]
    app.send_task("later", queue="a", **_LATER)
    (identity,) = server.hkeys(keys.delayed_messages())

    server.hset(keys.delayed_messages(), identity, "b\nput back")

    assert script(keys=places, args=["0", 100, "a"]) == ["0", 0]
    assert server.hget(keys.delayed_messages(), identity) == "b\nput back"
    assert script(keys=places, args=["0", 100, "b"]) == ["0", 1]
    assert server.zcard(keys.delayed()) == 0


@pytest.fixture
def aside(app: Celery, server: Redis) -> None:
    for queue, breaker in (("a", "bank"), ("a", "odd : {name}"), ("b", "bank")):
        app.send_task(f"for-{breaker}", queue=queue)
        set_aside(server, queue, breaker, since=time.time() - 60)
    app.send_task("waits", queue="b")


def test_what_is_set_aside_is_counted_with_its_queue(aside: None, channel: Any) -> None:
    found = {each.name: (each.waiting_in_all, each.aside) for each in survey.survey(channel, [])}

    assert found == {"a": (0, 2), "b": (1, 1)}
    assert channel.queue_declare("a", passive=True).message_count == 2


def test_the_list_of_queues_has_a_column_for_what_is_set_aside(aside: None) -> None:
    lines = omninode("queues", "list").stdout.splitlines()

    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert lines[0].split("  ")[-2:] == ["set aside", "in flight"]
    assert rows["a"] == ["0", "0", "-", "0", "2", "0"]
    assert (rows["b"][:2], rows["b"][3:]) == (["0", "1"], ["0", "1", "0"])


def test_what_is_set_aside_is_shown_by_breaker_with_the_end_of_its_wait(aside: None) -> None:
    shown = json.loads(omninode("queues", "aside", "a", "--json").stdout)["messages"]
    where, what = omninode("queues", "aside", "b").stdout.splitlines()

    assert [(each["task"], each["breaker"]) for each in shown] == [
        ("for-bank", "bank"),
        ("for-odd : {name}", "odd : {name}"),
    ]
    assert re.fullmatch(r"b:0  for bank, at most until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC(  .* old)?", where)
    assert what.startswith("  for-bank[")


def test_a_purge_deletes_what_is_set_aside_and_leaves_that_of_other_queues(
    aside: None, channel: Any, server: Redis
) -> None:
    assert channel.queue_purge("a") == 2
    assert server.hlen(keys.aside_messages()) == server.zcard(keys.aside("bank")) == 1
    assert server.exists(keys.aside("odd : {name}")) == 0


def test_what_waits_for_each_breaker_is_told_without_a_message(
    aside: None, channel: Any, server: Redis
) -> None:
    now = time.time()
    with channel.plain_client() as client:
        bank, odd = asides.waiting(client, channel.keys)

    assert ((bank.breaker, bank.messages), (odd.breaker, odd.messages)) == (
        ("bank", 2),
        ("odd : {name}", 1),
    )
    assert 60 <= now - (bank.since or 0) < 90


def test_what_is_set_aside_is_ejected_as_a_plain_message(aside: None, channel: Any, server: Redis) -> None:
    assert ejection.eject(channel, ("b",)) == 1

    headers = [json.loads(raw)["headers"] for raw in server.lrange("b", 0, -1)]
    assert [each["task"] for each in headers] == ["for-bank", "waits"]
    assert "omninode-aside" not in headers[0]
    assert server.hlen(keys.aside_messages()) == 2


def test_ejected_messages_are_plain_ones_again(app: Celery, channel: Any, server: Redis) -> None:
    sent = app.send_task("later", queue="a", priority=6, **_LATER)
    app.send_task("kept", queue="b", **_LATER)

    assert ejection.eject(channel, ("a",)) == 1

    (raw,) = server.lrange("a\x06\x166", 0, -1)
    headers = json.loads(raw)["headers"]
    assert headers["id"] == sent.id
    assert headers["eta"] is not None
    assert "omninode-held" not in headers
    assert server.zcard(keys.delayed()) == 1


def test_what_a_stopped_stock_worker_left_is_adopted_once_as_stock_restores_it(
    app: Celery, environment: Settings, channel: Any, server: Redis
) -> None:
    with _stock(environment) as stock:
        _take(stock, "left", priority=6)
        restored = _restored_by_stock(stock, server)

    (left,) = adoption.left_by_stock(app, channel)

    assert left.is_older_than(0)
    assert not left.is_older_than(3600)
    assert adoption.adopt(channel, left)
    assert not adoption.adopt(channel, left)
    assert server.lrange("celery\x06\x166", 0, -1) == [restored]
    assert server.hlen("unacked") == server.zcard("unacked_index") == 0


def test_the_oldest_that_is_adopted_is_claimed_next(
    app: Celery, environment: Settings, channel: Any, server: Redis
) -> None:
    with _stock(environment) as stock:
        for name in ("first", "second"):
            _take(stock, name)

    for left in adoption.left_by_stock(app, channel):
        adoption.adopt(channel, left)

    assert [each.task for each in looking.peek(channel, "celery", 2)] == ["first", "second"]


def test_what_stock_holds_and_cannot_be_read_stays_and_is_told(environment: Settings, server: Redis) -> None:
    with _stock(environment) as stock:
        _take(stock, "left")
    server.hset("unacked", "a-tag", "no message")
    server.zadd("unacked_index", {"a-tag": 0})

    younger = omninode("adopt", "--yes", "--json")
    looked = omninode("adopt", "--all", "--dry-run", "--json")
    adopted = omninode("adopt", "--all", "--yes", "--json")

    assert json.loads(younger.stdout)["younger"] == 1
    assert json.loads(looked.stdout)["adopted"] == 0
    assert adopted.code == 1
    found = json.loads(adopted.stdout)
    assert (found["found"], found["adopted"], len(found["unreadable"])) == (2, 1, 1)
    assert server.hkeys("unacked") == ["a-tag"]
    assert server.llen("celery") == 1


def test_a_stock_worker_drains_what_is_ejected(
    environment: Settings, app: Celery, server: Redis, tmp_path: Path
) -> None:
    (tmp_path / "plainapp.py").write_text(_STOCK_APP)
    for number in range(5):
        app.send_task("plain.mark", args=[number], queue="celery", countdown=3, expires=600)
    assert server.llen("celery") == 0

    assert json.loads(omninode("queues", "eject", "--json").stdout) == {"ejected": 5}

    with start_worker(app="plainapp", environment={"PYTHONPATH": str(tmp_path)}) as worker:
        wait_until(lambda: server.scard("marks") == 5, what=f"the draining\n{worker.log()}")
    assert server.keys("omninode:1:*delayed*") == []


def test_the_commands_show_pause_and_empty_a_queue(environment: Settings, app: Celery) -> None:
    app.send_task("wait", args=["\x1b[2J"], queue="orders", deadline="2035-01-01T00:00:00+00:00")
    app.send_task("later", queue="orders", **_LATER)

    paused = omninode("queues", "pause", "orders")
    listed = json.loads(omninode("queues", "list", "--json").stdout)["queues"]
    peeked = omninode("queues", "peek", "orders")
    scheduled = json.loads(omninode("queues", "scheduled", "orders", "--json").stdout)["messages"]
    asked = omninode("queues", "purge", "orders", stdin="n\n")
    purged = omninode("queues", "purge", "orders", "--yes", "--json")
    resumed = omninode("queues", "resume", "orders", "--json")

    assert paused.stdout == "1 paused, 0 were already\n"
    (orders,) = [each for each in listed if each["name"] == "orders"]
    assert (orders["waiting"], orders["delayed"], orders["paused"]) == (
        {"0": 1, "3": 0, "6": 0, "9": 0},
        1,
        True,
    )
    assert "wait[" in peeked.stdout
    assert "  must be over by 2035-01-01 00:00:00 UTC  " in peeked.stdout
    assert "\x1b" not in peeked.stdout
    assert [each["task"] for each in scheduled] == ["later"]
    assert asked.code == 1
    assert json.loads(purged.stdout) == {"purged": 2}
    assert json.loads(resumed.stdout) == {"resumed": 1}


def test_a_broker_that_is_away_is_said_in_a_sentence(environment: Settings) -> None:
    done = omninode("queues", "list", environment={"REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"})

    assert done.code == 1
    assert "the broker cannot be asked" in done.stderr
    assert "(is it running, and is REDIS_URL right?)" in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


def _sent_bytes(server: Redis) -> int:
    stats: Any = server.info("stats")
    return int(stats["total_net_output_bytes"])


_STOCK_APP = """
import os

from celery import Celery
from redis import Redis

app = Celery("plain", broker=os.environ["REDIS_URL"])


@app.task(name="plain.mark", ignore_result=True)
def mark(number):
    Redis.from_url(os.environ["REDIS_URL"]).sadd("marks", number)
"""


@contextmanager
def _stock(environment: Settings) -> Iterator[Celery]:
    with Celery("stock", broker=environment.redis_url, set_as_current=False) as app:
        yield app


def _take(stock: Celery, name: str, **options: Any) -> None:
    """Have stock's transport take a message and end before it acknowledges."""
    stock.send_task(name, ignore_result=True, **options)
    with stock.connection_for_read() as connection:
        channel = connection.channel()
        channel.do_restore = False
        assert channel.basic_get("celery") is not None


def _restored_by_stock(stock: Celery, server: Redis) -> str:
    """What stock makes of the one message that was taken; then it is as if stock had not."""
    held: dict[Any, Any] = server.hgetall("unacked")
    index: Any = server.zrange("unacked_index", 0, -1, withscores=True)
    with stock.connection_for_read() as connection:
        channel = connection.channel()
        channel.qos.restore_by_tag(next(iter(held)))
    restored = server.rpop("celery\x06\x166")
    server.hset("unacked", mapping=held)
    server.zadd("unacked_index", dict(index))
    return str(restored)


def test_many_are_surveyed(app: Celery, channel: Any) -> None:
    @app.task(name="operated.take", shared=False)
    def take(number: int) -> None:
        raise AssertionError(number)

    enqueue_many(take, ([number] for number in range(700)), queue="many")

    (many,) = survey.survey(channel, ["many"])
    assert many.waiting_in_all == 700
