"""A replay from its first letter to its last, on real servers."""

import json
import re
import threading
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery

from orchestrator import keys, settings
from orchestrator.breaker.store import Store
from orchestrator.errors import InvalidFilter, ReplayInterrupted, UnknownOperation
from orchestrator.replay import order
from orchestrator.replay.account import Account
from orchestrator.replay.pace import Pace
from orchestrator.replay.run import replay
from tests.asides import set_aside
from tests.processes import wait_until
from tests.shop import Shop, death


def test_letters_go_back_to_their_queues_in_the_order_of_their_death(shop: Shop) -> None:
    shop.die(*(death(number) for number in (3, 1, 2)), death(4, queue="mails"))

    account = shop.replay()

    assert shop.tasks() == ["task-1", "task-2", "task-3"]
    assert shop.tasks("mails") == ["task-4"]
    assert (account.matched, account.enqueued, account.left) == (4, 4, 0)
    assert account.by_queue == {"shop": 3, "mails": 1}
    assert [(group.exception, group.task, group.letters) for group in account.by_group] == [
        ("ValueError", "shop.pay", 4)
    ]
    assert account.is_finished
    assert shop.states() == {"replaying": 4}


def test_a_message_has_its_bytes_its_task_id_and_the_mark_of_its_letter(shop: Shop) -> None:
    (letter_id,) = shop.die(death(1))

    shop.replay()

    (message,) = shop.waiting()
    assert message["body"] == "W1sxXSwge30sIHt9XQ=="
    assert message["headers"]["retries"] == 0
    assert message["headers"]["omninode-letter"] == letter_id
    assert message["headers"]["omninode-replays"] == 1


def test_who_did_it_and_why_is_written_down_with_what_became_of_each(shop: Shop) -> None:
    shop.die(death(1))

    account = shop.replay(filter={"queues": ["shop"]})

    row = shop.database.execute(
        "SELECT id::text, action, who, why, filter, letters, finished_at IS NOT NULL"
        " FROM dead_letter_operations"
    ).fetchone()
    assert row == (
        account.operation,
        "replay",
        "ada@host",
        "the cause is gone",
        {"queues": ["shop"], "states": ["open"]},
        1,
        True,
    )
    history = shop.database.execute(
        "SELECT event, operation_id::text, detail FROM dead_letter_history ORDER BY position DESC LIMIT 1"
    ).fetchone()
    assert history == ("replayed", account.operation, "replay 1, to shop")


def test_what_dies_again_is_not_taken_again_by_the_same_replay(shop: Shop) -> None:
    shop.die(death(1))
    operation = order.begin(shop.database, shop.order(), "ada", "")
    replay(shop.database, shop.channel, operation, stop=Event())
    marks = {"omninode-letter": death(1).letter_id, "omninode-replays": 1}
    shop.die(death(1, marks, id="second death"))
    assert shop.states() == {"open": 1}

    account = replay(shop.database, shop.channel, operation, stop=Event())
    # PostgreSQL's clock has jumped back by an hour since it began.
    shop.database.execute("UPDATE dead_letter_operations SET started_at = started_at + interval '1 hour'")
    jumped = replay(shop.database, shop.channel, order.named(shop.database, operation.id), stop=Event())

    assert (account.enqueued, jumped.enqueued) == (1, 1)
    assert shop.tasks() == ["task-1"]


def test_the_next_replay_has_the_next_number(shop: Shop) -> None:
    shop.die(death(1))
    shop.replay()
    shop.die(death(1, {"omninode-letter": death(1).letter_id, "omninode-replays": 1}, id="second death"))

    shop.replay()

    assert [message["headers"]["omninode-replays"] for message in shop.waiting()] == [1, 2]


def test_a_parked_letter_is_only_replayed_when_it_is_asked_for(shop: Shop) -> None:
    (letter_id,) = shop.die(death(1))
    shop.database.execute("UPDATE dead_letters SET state = 'parked', replay = 5")

    left_alone = shop.replay(filter={"ids": [letter_id]})
    asked_for = shop.replay(filter={"ids": [letter_id], "states": ["parked"]})

    assert (left_alone.enqueued, left_alone.skipped) == (
        0,
        {"it is parked: say --state parked to replay it": 1},
    )
    assert asked_for.enqueued == 1
    assert shop.waiting()[0]["headers"]["omninode-replays"] == 6


def test_letters_that_were_put_away_are_not_replayed(shop: Shop) -> None:
    with pytest.raises(InvalidFilter, match="that are archived are not replayed"):
        shop.order(filter={"states": ["archived"]})


@pytest.mark.parametrize(
    "options",
    [
        {"rate": 0},
        {"rate": float("inf")},
        {"rate": float("nan")},
        {"rate": "5"},
        {"rate": True},
        {"rate": 10**400},
        {"limit": 0},
        {"limit": 2.5},
        {"limit": "3"},
        {"to_queue": 5},
        {"to_queue": "a\0b"},
    ],
)
def test_options_that_are_none_are_refused(shop: Shop, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidFilter, match=r"a rate is a|a limit is a|a queue to replay to is named"):
        shop.order(**options)


def test_ids_that_no_letter_has_are_counted_as_such(shop: Shop) -> None:
    (letter_id,) = shop.die(death(1))

    account = shop.replay(filter={"ids": [letter_id, "f" * 64, "a\0b"]})

    assert (account.enqueued, account.skipped) == (1, {"there is no such letter": 2})


def test_a_limit_leaves_the_youngest(shop: Shop) -> None:
    shop.die(*(death(number) for number in range(5)))

    account = shop.replay(limit=2)

    assert shop.tasks() == ["task-0", "task-1"]
    assert (account.matched, account.enqueued, account.left, account.is_finished) == (5, 2, 3, True)


def test_all_go_to_the_queue_that_is_named(shop: Shop) -> None:
    shop.die(death(1), death(2, queue="mails"))

    account = shop.replay(to_queue="other")

    assert shop.tasks("other") == ["task-1", "task-2"]
    assert account.by_queue == {"other": 2}
    assert shop.waiting("other")[0]["properties"]["delivery_info"]["routing_key"] == "other"


def test_what_names_no_task_is_skipped_with_the_reason_and_the_others_go(shop: Shop) -> None:
    shop.die(death(1), death(2, raw=b"no message", task=""))

    account = shop.replay()

    assert account.enqueued == 1
    assert list(account.skipped.values()) == [1]
    assert "its message names no task" in next(iter(account.skipped))
    assert shop.states() == {"open": 1, "replaying": 1}


def test_an_edit_changes_the_message_and_not_the_letter(shop: Shop) -> None:
    shop.die(death(1))

    shop.replay(edit={"kwargs": {"to": "ada"}}, is_foreign=True)

    (message,) = shop.waiting()
    assert message["headers"]["kwargsrepr"] == "{'to': 'ada'}"
    assert shop.database.execute("SELECT value FROM dead_letter_deaths").fetchone() == (b"[[1], {}, {}]",)
    assert shop.database.execute("SELECT options -> 'edit' FROM dead_letter_operations").fetchone() == (
        {"kwargs": {"to": "ada"}},
    )


def test_a_message_goes_to_the_list_of_its_priority(shop: Shop) -> None:
    raw = json.loads(json.dumps(death(1).headers))
    envelope = {"body": "W10=", "headers": raw, "properties": {"priority": 9}}
    shop.die(death(1, raw=json.dumps(envelope | {"body": "W1tdLCB7fSwge31d"}).encode()))

    shop.replay()

    assert shop.tasks("shop\x06\x169") == ["task-1"]


def test_a_time_to_come_is_waited_for_and_does_not_delay_the_others(shop: Shop) -> None:
    shop.die(death(1), death(2, {"eta": "2099-01-01T00:00:00+00:00"}), death(3))

    account = shop.replay()

    assert account.enqueued == 3
    assert shop.tasks() == ["task-1", "task-3"]
    assert shop.server.zcard(keys.delayed()) == 1


def test_a_queue_that_is_something_else_in_redis_is_left_alone(shop: Shop) -> None:
    shop.die(death(1), death(2, queue="taken"))
    shop.server.set("taken", "a value")

    account = shop.replay()

    assert account.skipped == {"'taken' is no queue, but something else in Redis": 1}
    assert shop.tasks() == ["task-1"]


def test_a_large_batch_is_taken_in_portions(shop: Shop) -> None:
    shop.die(*(death(number) for number in range(3)))
    body = json.dumps([["x" * 9_000_000], {}, {}]).encode()
    shop.database.execute("UPDATE dead_letter_deaths SET value = %s", (body,))

    account = shop.replay()

    assert account.enqueued == 3
    assert shop.tasks() == ["task-0", "task-1", "task-2"]
    assert shop.database.execute("SELECT count(*) FROM replay_batches").fetchone() == (3,)


class TestHeld:
    def test_letters_for_a_paused_queue_wait_until_it_is_resumed_and_the_others_do_not(
        self, shop: Shop
    ) -> None:
        shop.die(death(1), death(2, queue="mails"))
        shop.server.sadd(keys.paused(), "shop")
        said: list[str] = []
        accounts: list[Any] = []
        running = threading.Thread(target=lambda: accounts.append(shop.replay(say=said.append)))
        running.start()
        wait_until(lambda: said, what="the wait")
        waiting = (shop.tasks("shop"), shop.tasks("mails"))

        shop.server.delete(keys.paused())
        running.join(10)

        assert waiting == ([], ["task-2"])
        assert said == ["waiting: the queue shop is paused"]
        assert accounts[0].enqueued == 2

    def test_letters_wait_while_their_breaker_is_open_and_the_others_do_not(self, shop: Shop) -> None:
        shop.die(death(1, {"omninode-breaker": "bank"}), death(2, {"omninode-breaker": "post"}))
        _store(shop).control("bank", "open", who="ada", why="", seconds=600)
        said: list[str] = []
        accounts: list[Any] = []
        running = threading.Thread(target=lambda: accounts.append(shop.replay(say=said.append)))
        running.start()
        wait_until(lambda: said, what="the wait")
        waiting = shop.tasks()

        _store(shop).control("bank", "close", who="ada", why="")
        running.join(10)

        assert waiting == ["task-2"]
        assert re.fullmatch(
            r"waiting: the circuit of 'bank' is open until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", said[0]
        )
        assert (len(said), accounts[0].enqueued) == (1, 2)

    def test_a_letter_without_the_name_of_its_breaker_waits_for_that_of_its_task(self, shop: Shop) -> None:
        tasks = {"shop.pay": _task(breaker="bank")}
        shop.die(death(1))
        _store(shop).control("bank", "isolate", who="ada", why="")
        stop = Event()
        said: list[str] = []

        def say(why: str) -> None:
            said.append(why)
            stop.set()

        account = shop.replay(stop, tasks, say)

        assert said == ["waiting: the circuit of 'bank' is isolated by hand, until somebody changes it"]
        assert (account.enqueued, account.left, account.is_finished) == (0, 1, False)

    def test_what_is_edited_waits_for_the_breaker_of_its_new_arguments(self, shop: Shop) -> None:
        tasks = {"shop.pay": _task(breaker=lambda at: at)}
        shop.die(death(1, {"omninode-breaker": "bank"}))
        _store(shop).control("bank", "isolate", who="ada", why="")

        account = shop.replay(tasks=tasks, edit={"args": ["post"], "kwargs": {}}, is_foreign=True)

        assert account.enqueued == 1
        assert "omninode-breaker" not in shop.waiting()[0]["headers"]

    def test_one_letter_is_the_probe_that_is_due_unless_a_task_that_waits_can_be_it(self, shop: Shop) -> None:
        shop.die(*(death(number, {"omninode-breaker": "bank"}) for number in range(3)))
        _store(shop).control("bank", "open", who="ada", why="", seconds=0.001)
        wait_until(lambda: _store(shop).read(["bank"])[0].left_seconds == 0, what="the end of the open time")

        first = _replay_until_it_waits(shop)
        set_aside(shop.server, "shop", "bank", since=0)
        second = _replay_until_it_waits(shop)

        assert (first.enqueued, second.enqueued, second.left) == (1, 0, 2)

    def test_nothing_waits_for_a_breaker_whose_redis_is_away(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        away = shop.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
        monkeypatch.setattr(settings, "_installed", away)
        shop.die(death(1, {"omninode-breaker": "bank"}))

        assert shop.replay().enqueued == 1

    def test_a_stop_ends_the_wait(self, shop: Shop) -> None:
        shop.die(death(1))
        shop.server.sadd(keys.paused(), "shop")
        stop = Event()

        account = shop.replay(stop, say=lambda _: stop.set())

        assert (account.enqueued, account.left, account.is_finished) == (0, 1, False)


def _replay_until_it_waits(shop: Shop) -> Account:
    stop = Event()
    return shop.replay(stop, say=lambda _: stop.set())


def _task(**options: Any) -> Any:
    app = Celery("bank", set_as_current=False)

    @app.task(name="shop.pay", shared=False, **options)
    def pay(at: str) -> str:
        return at

    return pay


def _store(shop: Shop) -> Store:
    return Store(shop.server)


class TestInterrupted:
    def test_a_stopped_replay_is_resumed_with_its_filter_and_its_options(self, shop: Shop) -> None:
        shop.die(*(death(number) for number in range(5)), death(9, queue="mails"))
        stop = Event()
        operation = order.begin(
            shop.database, shop.order(filter={"queues": ["shop"]}, rate=2, to_queue="other"), "ada", ""
        )
        stopped = replay(shop.database, shop.channel, operation, stop=stop, on_progress=lambda *_: stop.set())

        resumed = replay(shop.database, shop.channel, order.named(shop.database, operation.id), stop=Event())

        assert (stopped.enqueued, stopped.is_finished) == (2, False)
        assert (resumed.matched, resumed.enqueued, resumed.is_finished) == (5, 5, True)
        assert resumed.by_queue == {"other": 5}
        assert shop.tasks("other") == [f"task-{number}" for number in range(5)]

    def test_a_full_redis_is_said_and_what_was_claimed_goes_later(self, shop: Shop) -> None:
        shop.die(death(1), death(2))
        operation = order.begin(shop.database, shop.order(), "ada", "")
        shop.server.config_set("maxmemory", 1)

        with pytest.raises(ReplayInterrupted, match=r"Redis is full \(maxmemory\)"):
            replay(shop.database, shop.channel, operation, stop=Event())
        states = shop.states()
        shop.server.config_set("maxmemory", 0)
        account = replay(shop.database, shop.channel, operation, stop=Event())

        assert states == {"replaying": 2}
        assert (account.enqueued, account.claimed) == (2, 0)
        assert shop.tasks() == ["task-1", "task-2"]

    def test_what_is_no_replay_cannot_be_resumed(self, shop: Shop) -> None:
        with pytest.raises(UnknownOperation, match="no replay has the id"):
            order.named(shop.database, uuid4())


def test_a_rate_lets_a_seconds_worth_go_at_once_and_then_waits() -> None:
    now = [100.0]
    pace = Pace(5.0, lambda: now[0])

    assert (pace.most(500), pace.wait_seconds()) == (5, 0.0)
    pace.count(5)
    assert pace.wait_seconds() == 1.0
    now[0] += 10
    assert pace.wait_seconds() == 0.0
    pace.count(1)
    assert round(pace.wait_seconds(), 6) == 0.2


def test_a_rate_below_one_takes_one_at_a_time() -> None:
    assert Pace(0.1, lambda: 0.0).most(500) == 1
