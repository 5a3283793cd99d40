"""Letters whose replay is nowhere any more are opened, and no others."""

import json
from typing import Any

import pytest

from orchestrator import keys
from orchestrator.replay import missing
from orchestrator.replay.reconciling import reconcile
from tests.shop import Shop, death


def _replay_long_ago(shop: Shop, *numbers: int, **options: Any) -> None:
    shop.die(*(death(number) for number in numbers))
    shop.replay(**options)
    shop.database.execute("UPDATE dead_letters SET state_at = state_at - interval '61 minutes'")
    shop.database.execute("UPDATE replay_batches SET enqueued_at = enqueued_at - interval '61 minutes'")


def test_a_letter_whose_message_was_purged_is_open_again_with_the_reason(shop: Shop) -> None:
    _replay_long_ago(shop, 1, 2)
    shop.server.rpop("shop")

    account = reconcile(shop.settings)

    assert account == {"enqueued": 0, "opened": 1, "error": ""}
    rows = shop.database.execute(
        "SELECT task_id, state, batch_id FROM dead_letters ORDER BY task_id"
    ).fetchall()
    assert rows[0] == ("task-1", "open", None)
    assert rows[1][1] == "replaying"
    told = shop.database.execute(
        "SELECT event, detail FROM dead_letter_history ORDER BY position DESC LIMIT 1"
    ).fetchone()
    assert told == ("reopened", "its message is gone: purged, or run by a worker that is not ours")


def test_an_edit_that_postgresql_cannot_read_keeps_none_from_being_opened(shop: Shop) -> None:
    _replay_long_ago(shop, 1, edit={"kwargs": {"name": "a\0b"}}, is_foreign=True)
    shop.server.delete("shop")

    assert reconcile(shop.settings)["opened"] == 1


def test_all_are_opened_however_many_and_also_those_whose_operation_is_unknown(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing, "_MOST_LETTERS", 2)
    _replay_long_ago(shop, 1, 2, 3)
    _replay_long_ago(shop, 4, 5)
    shop.server.delete("shop")
    shop.database.execute("UPDATE dead_letters SET batch_id = NULL WHERE task_id = 'task-5'")

    assert reconcile(shop.settings)["opened"] == 5


def test_nothing_is_opened_where_there_is_more_than_redis_can_look_at_in_a_moment(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    _replay_long_ago(shop, 1)
    shop.server.delete("shop")
    shop.server.rpush("another", "x" * 100_000)
    monkeypatch.setattr(missing, "_MOST_BYTES", 50_000)

    assert reconcile(shop.settings)["opened"] == 0


def test_one_that_is_delayed_set_aside_in_flight_or_held_by_a_stock_worker_is_not_lost(shop: Shop) -> None:
    _replay_long_ago(shop, 1, 2, 3, 4)
    delayed, aside, claimed, stock = (str(shop.server.rpop("shop")) for _ in range(4))
    shop.server.hset(keys.delayed_messages(), "d", f"shop\n{delayed}")
    shop.server.hset(keys.aside_messages(), "a", f"shop\n{aside}")
    shop.server.hset(keys.claims(), "c", f"shop\n{claimed}")
    shop.server.hset("unacked", "s", json.dumps([json.loads(stock), "", "shop"]))

    assert reconcile(shop.settings)["opened"] == 0


def test_one_in_a_list_that_nobody_has_declared_is_not_lost(shop: Shop) -> None:
    _replay_long_ago(shop, 1)
    shop.server.rename("shop", "elsewhere")

    assert reconcile(shop.settings)["opened"] == 0


def test_nothing_is_opened_while_deaths_or_outcomes_are_on_their_way(shop: Shop) -> None:
    _replay_long_ago(shop, 1)
    shop.server.delete("shop")
    for stream in (keys.outbox(), keys.outcomes()):
        entry = shop.server.xadd(stream, {"id": "1"})
        assert reconcile(shop.settings)["opened"] == 0
        shop.server.xdel(stream, entry)
        shop.server.delete(keys.sought())

    assert reconcile(shop.settings)["opened"] == 1


def test_a_replay_of_the_last_hour_is_not_looked_for(shop: Shop) -> None:
    shop.die(death(1))
    shop.replay()
    shop.server.delete("shop")

    assert reconcile(shop.settings)["opened"] == 0


def test_a_broker_that_is_away_is_said(shop: Shop) -> None:
    _replay_long_ago(shop, 1)
    away = shop.settings.model_copy(update={"celery_broker_url": "redis://127.0.0.1:1/0"})

    assert "Redis is away" in reconcile(away)["error"]


def test_letters_of_a_broker_with_a_prefix_are_looked_for_under_it(shop: Shop) -> None:
    _replay_long_ago(shop, 1, prefix="mine:")
    shop.server.rename("shop", "mine:shop")

    assert reconcile(shop.settings)["opened"] == 0
    assert shop.server.exists(keys.sought("mine:")) == 1


def test_where_its_operation_is_unknown_it_is_looked_for_under_the_relays_own_prefix(shop: Shop) -> None:
    _replay_long_ago(shop, 1, prefix="mine:")
    shop.database.execute("UPDATE dead_letters SET batch_id = NULL")
    message = str(shop.server.rpop("shop"))
    shop.server.hset(keys.claims("mine:"), "claim", f"mine:shop\n{message}")

    own = shop.settings.model_copy(update={"key_prefix": "mine:"})

    assert reconcile(own)["opened"] == 0
