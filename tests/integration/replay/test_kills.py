"""Whoever is killed, wherever: each message is enqueued once."""

from collections import Counter
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from orchestrator import postgres
from orchestrator.index.operations import Operation
from orchestrator.index.outcomes import Outcome, apply
from orchestrator.replay import order, reading, unconfirmed
from orchestrator.replay import run as running
from orchestrator.replay.claiming import claim
from orchestrator.replay.enqueuing import enqueue
from orchestrator.replay.holding import Queues
from orchestrator.replay.reconciling import reconcile
from orchestrator.replay.run import replay
from tests.killed_replays import kill_replays
from tests.shop import DIED, Shop, death


class Killed(BaseException):
    pass


def _kill(*_: Any) -> None:
    raise Killed


def _begin(shop: Shop) -> Any:
    return order.begin(shop.database, shop.order(), "ada", "")


def _die_at(shop: Shop, operation: Operation, step: str, die: Callable[..., None] = _kill) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, step, die)
        with pytest.raises(Killed):
            replay(shop.database, shop.channel, operation, stop=Event())


def _make_older(shop: Shop, seconds: float) -> None:
    shop.database.execute(
        "UPDATE replay_batches SET created_at = created_at - make_interval(secs => %s)", (seconds,)
    )


@pytest.mark.parametrize("step", ["enqueue", "confirm"])
def test_killed_before_or_after_redis_has_a_batch_it_is_enqueued_once_by_the_relay(
    shop: Shop, step: str
) -> None:
    shop.die(*(death(number) for number in range(3)))
    _die_at(shop, _begin(shop), step, _kill)
    too_early = reconcile(shop.settings)
    _make_older(shop, 61)

    account = reconcile(shop.settings)

    assert too_early == {"enqueued": 0, "opened": 0, "error": ""}
    assert account == {"enqueued": 3, "opened": 0, "error": ""}
    assert reconcile(shop.settings)["enqueued"] == 0
    assert shop.tasks() == ["task-0", "task-1", "task-2"]


@pytest.mark.parametrize("step", ["enqueue", "confirm"])
def test_killed_before_or_after_redis_has_a_batch_it_is_enqueued_once_by_who_resumes(
    shop: Shop, step: str
) -> None:
    shop.die(*(death(number) for number in range(3)))
    operation = _begin(shop)
    _die_at(shop, operation, step, _kill)

    account = replay(shop.database, shop.channel, operation, stop=Event())

    assert (account.matched, account.enqueued, account.is_finished) == (3, 3, True)
    assert shop.tasks() == ["task-0", "task-1", "task-2"]


def test_a_process_that_was_frozen_pushes_nothing_that_another_has_pushed_and_a_worker_has_run(
    shop: Shop,
) -> None:
    shop.die(*(death(number) for number in range(3)))
    operation, queues = _begin(shop), Queues(shop.channel)
    frozen = claim(
        shop.database,
        operation,
        order.of(operation),
        [death(number).letter_id for number in range(3)],
        breaker=lambda _: "",
        held=lambda _, queue: queues.held(queue),
        refusal=queues.refusal,
    )
    _make_older(shop, 61)
    assert reconcile(shop.settings)["enqueued"] == 3
    shop.server.delete("shop")

    assert frozen.id
    enqueue(shop.channel, frozen.id, frozen.messages)

    assert shop.tasks() == []


def test_a_batch_that_was_pushed_in_part_is_completed_although_what_was_pushed_has_ended(shop: Shop) -> None:
    shop.die(*(death(number) for number in range(4)))
    operation = _begin(shop)
    _die_at(shop, operation, "enqueue", _push_two_and_die)
    ended = [Outcome(death(number).letter_id, 1, "resolved", DIED) for number in (0, 1)]
    apply(shop.database, ended)
    _make_older(shop, 61)

    reconcile(shop.settings)

    assert shop.tasks() == ["task-0", "task-1", "task-2", "task-3"]


def _push_two_and_die(channel: Any, batch_id: Any, messages: list[Any]) -> None:
    enqueue(channel, batch_id, messages[:2])
    raise Killed


def test_a_batch_that_has_outlived_its_marker_is_not_pushed_again(shop: Shop) -> None:
    shop.die(death(1))
    _die_at(shop, _begin(shop), "confirm", _kill)
    shop.server.delete("shop")
    _make_older(shop, 31 * 86_400)

    reconcile(shop.settings)

    assert shop.tasks() == []
    assert unconfirmed.find(shop.database) == []


def test_what_was_killed_with_an_edit_is_enqueued_with_it(shop: Shop) -> None:
    shop.die(death(1))
    asked = shop.order(edit={"args": [9]}, to_queue="other")
    _die_at(shop, order.begin(shop.database, asked, "ada", ""), "enqueue", _kill)
    _make_older(shop, 61)

    reconcile(shop.settings)

    (message,) = shop.waiting("other")
    assert message["headers"]["argsrepr"] == "[9]"


def test_a_batch_that_another_release_has_asked_for_does_not_hold_up_the_others(shop: Shop) -> None:
    for number, queue in ((1, "shop"), (2, "mails")):
        shop.die(death(number, queue=queue))
        _die_at(shop, _begin(shop), "enqueue", _kill)
    shop.database.execute(
        "UPDATE dead_letter_operations SET filter = '{\"moods\": []}'"
        " WHERE started_at = (SELECT min(started_at) FROM dead_letter_operations)"
    )
    _make_older(shop, 61)

    account = reconcile(shop.settings)

    assert (account["enqueued"], shop.tasks("mails")) == (1, ["task-2"])
    assert "a filter has no key 'moods'" in account["error"]


def test_two_processes_share_a_replay_and_its_limit(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "IDS", 2)
    shop.die(*(death(number) for number in range(6)))
    operation = order.begin(shop.database, shop.order(limit=5), "ada", "")

    def enqueue_late(channel: Any, batch_id: Any, messages: Any) -> None:
        monkeypatch.setattr(running, "enqueue", enqueue)
        with postgres.connect(shop.settings.database_url) as another:
            replay(another, shop.channel, operation, stop=Event())
        enqueue(channel, batch_id, messages)

    monkeypatch.setattr(running, "enqueue", enqueue_late)
    account = replay(shop.database, shop.channel, operation, stop=Event())

    assert (account.enqueued, account.left) == (5, 1)
    assert Counter(shop.tasks()) == {f"task-{number}": 1 for number in range(5)}


def test_three_kills_at_random_points_of_sixty_letters_lose_and_double_none(shop: Shop) -> None:
    outcome = kill_replays(shop, letters=60, kills=3, seed=5)

    assert outcome.enqueued == {f"task-{number}": 1 for number in range(60)}
