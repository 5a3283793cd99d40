"""What a replay would do is told before it is done."""

import json
from typing import Any

import pytest
from celery import Celery

from orchestrator.errors import InvalidEdit
from orchestrator.replay import reading
from orchestrator.replay.holding import Queues
from orchestrator.replay.plan import Plan, check_edit, plan
from tests.shop import Shop, death


def _tasks() -> dict[str, Any]:
    app = Celery("shop", set_as_current=False)
    task = app.task(name="shop.pay", shared=False, lazy=False)(_pay)
    return {"shop.pay": task}


def _pay(number: int, *, to: str = "") -> None:
    raise AssertionError("only its signature is asked for")


def _plan(shop: Shop, tasks: Any = None, **options: Any) -> Plan:
    queues = Queues(shop.channel)
    return plan(
        shop.database,
        shop.order(**options),
        reading.now(shop.database),
        tasks=tasks,
        consumed=frozenset({"mails"}),
        paused=queues.paused(),
        refusal=queues.refusal,
    )


def test_a_plan_counts_by_queue_and_group_and_changes_nothing(shop: Shop) -> None:
    shop.die(death(1), death(2), death(3, queue="mails", exception="KeyError"))

    made = _plan(shop)

    assert (made.matched, made.enqueued, made.by_queue) == (3, 3, {"shop": 2, "mails": 1})
    assert [(group.exception, group.task, group.letters) for group in made.by_group] == [
        ("ValueError", "shop.pay", 2),
        ("KeyError", "shop.pay", 1),
    ]
    assert shop.states() == {"open": 3}
    assert shop.tasks() == []


def test_what_would_be_taken_off_and_what_will_not_come_back_is_counted(shop: Shop) -> None:
    past = "2026-01-01T00:00:00+00:00"
    body = json.dumps([[], {}, {"chord": {"task": "shop.sum"}}])
    member = json.dumps({"body": body, "headers": {"task": "shop.pay", "id": "task-3"}})
    shop.die(death(1, {"eta": past}), death(2, {"expires": past, "eta": past}), death(3, raw=member.encode()))

    made = _plan(shop)

    assert made.changes == {"eta": 2, "expires": 1}
    assert made.lost == {"the body of its chord": 1}


def test_queues_that_nobody_consumes_or_that_are_paused_are_named(shop: Shop) -> None:
    shop.die(death(1), death(2, queue="mails"))
    shop.server.sadd("omninode:1:paused", "mails", "other")

    made = _plan(shop)

    assert (made.unconsumed, made.paused) == (["shop"], ["mails"])


def test_what_cannot_be_replayed_is_said_with_the_reason(shop: Shop) -> None:
    shop.die(death(1, raw=b"", task=""), death(2, queue=""))

    made = _plan(shop)

    assert made.enqueued == 0
    assert made.skipped["its queue is not known: name one with --to-queue"] == 1
    assert list(made.skipped.values()) == [1, 1]


def test_a_filter_that_matches_nothing_makes_an_empty_plan(shop: Shop) -> None:
    assert _plan(shop, filter={"queues": ["none'; DROP TABLE dead_letters; --"]}) == Plan()


def test_an_edit_that_fits_none_of_the_arguments_is_refused_with_the_letter(shop: Shop) -> None:
    (letter_id,) = shop.die(death(1))

    with pytest.raises(InvalidEdit, match=rf"does not fit the letter {letter_id[:12]}: shop.pay"):
        _plan(shop, _tasks(), edit={"kwargs": {"from": "ada"}})
    with pytest.raises(InvalidEdit):
        check_edit(shop.database, shop.order(edit={"args": [1, 2]}), reading.now(shop.database), _tasks())


def test_an_edit_that_fits_is_planned(shop: Shop) -> None:
    shop.die(death(1))

    assert _plan(shop, _tasks(), edit={"kwargs": {"to": "ada"}}).enqueued == 1
