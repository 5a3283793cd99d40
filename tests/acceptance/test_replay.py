"""A replay by the admin task in a real worker, and its messages in one."""

import base64
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery

from orchestrator import keys
from orchestrator.install import install
from tests.processes import start_worker, wait_until
from tests.servers import clean_redis, environment_of, fresh_database
from tests.shop import Shop, death, open_shop

if TYPE_CHECKING:
    from orchestrator.dev.stack import Addresses

_TASK = "omninode.admin.replay_dead_letters"
_PROBE = "omninode.health.check"


@pytest.fixture(scope="module")
def shop(stack: "Addresses", template: str) -> Iterator[Shop]:
    with (
        fresh_database(stack.database_url, template) as database_url,
        clean_redis(stack.redis_url) as redis_url,
        environment_of(stack, redis_url, database_url) as settings,
        open_shop(settings) as opened,
        start_worker("--queues", "admin"),
    ):
        yield opened


@pytest.fixture(scope="module")
def app(shop: Shop) -> Iterator[Celery]:
    with install(Celery("caller", set_as_current=False), shop.settings) as calling:
        yield calling


def _call(app: Celery, *args: Any, task_id: str = "replay-1", **kwargs: Any) -> Any:
    sent = app.send_task(_TASK, args=args, kwargs=kwargs, task_id=task_id, queue="admin")
    account = sent.get(timeout=30)
    # The next one with this id shall not be answered with it.
    sent.forget()
    return account


def test_the_admin_task_replays_and_returns_the_account(shop: Shop, app: Celery) -> None:
    shop.die(death(1), death(2, queue="mails"))

    # Its own letter is replayed by name only.
    shop.die(death(5, task=_TASK, queue="shop"))

    planned = _call(app, {"queues": ["shop"]}, dry_run=True, task_id="plan")
    account = _call(app, {"queues": ["shop"]}, why="every night")
    again = _call(app, {"queues": ["shop"]}, why="every night")
    aged = [_call(app, {"queues": ["shop"], "until": "1h"}, task_id="aged") for _ in range(2)]
    whole = _call(app, all_open=True, limit=1, dry_run=True, task_id="all")
    edited = _call(app, {"queues": ["nothing"]}, why="every day")

    assert (planned["dry_run"], planned["enqueued"], planned["unconsumed"]) == (True, 1, ["shop"])
    assert (account["matched"], account["enqueued"], account["by_queue"]) == (1, 1, {"shop": 1})
    assert again["operation"] == account["operation"]
    assert aged[0]["operation"] == aged[1]["operation"]
    assert (whole["matched"], whole["by_queue"]) == (1, {"mails": 1})
    assert (edited["operation"] != account["operation"], edited["matched"]) == (True, 0)
    assert shop.tasks() == ["task-1"]
    rows = shop.database.execute(
        "SELECT who, why FROM dead_letter_operations WHERE who = %s ORDER BY started_at", ["task replay-1"]
    ).fetchall()
    assert rows == [("task replay-1", "every night"), ("task replay-1", "every day")]

    # It waits for a paused queue without keeping a process of the worker.
    shop.server.sadd(keys.paused(), "mails")
    app.send_task(_TASK, args=[{"queues": ["mails"]}], task_id="waits", queue="admin")
    wait_until(lambda: shop.server.zcard(keys.delayed()), what="its put-back")

    assert shop.tasks("mails") == []


@pytest.mark.parametrize(
    ("filter_", "options", "message"),
    [
        ({"queue": "shop"}, {}, "a filter has no key 'queue'"),
        ({"tasks": ["shop.pay"]}, {"edit": {"args": [1]}}, "no task is called 'shop.pay'"),
        ({}, {"rate": -1, "all_open": True}, "a rate is a number of letters a second"),
        ({}, {}, "this filter is every open letter: .* or all_open=True"),
        ({"states": ["open"]}, {}, "this filter is every open letter"),
        ({"queues": ["shop"]}, {"all_open": True}, "all_open=True is for no filter"),
    ],
    ids=["filter", "edit", "rate", "empty", "open", "both"],
)
def test_what_is_wrongly_asked_fails_at_once(
    shop: Shop, app: Celery, filter_: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    shop.die(death(3))

    with pytest.raises(Exception, match=message):
        _call(app, filter_, task_id=message, **options)


def test_messages_of_both_protocols_run_and_their_letters_are_told(shop: Shop, app: Celery) -> None:
    old = {"task": _PROBE, "id": "old", "args": [], "kwargs": {}, "retries": 3, "eta": None, "expires": None}
    bodies = [[[], {}, {}], old]
    headers: list[dict[str, Any]] = [{"task": _PROBE, "id": "new"}, {}]
    for number, body, about in zip((10, 11), bodies, headers, strict=True):
        envelope = {
            "body": base64.b64encode(json.dumps(body).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": about,
            "properties": {"body_encoding": "base64"},
        }
        shop.die(death(number, raw=json.dumps(envelope).encode(), queue="admin", task=_PROBE))

    _call(app, {"queues": ["admin"]}, task_id="both")

    wait_until(lambda: shop.server.xlen(keys.outcomes()) == 2, what="both outcomes")
    entries: Any = shop.server.xrange(keys.outcomes())
    outcomes = {entry["letter_id"]: entry["outcome"] for _, entry in entries}
    assert outcomes == {death(number).letter_id: "resolved" for number in (10, 11)}
