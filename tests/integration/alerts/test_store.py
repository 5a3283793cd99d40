"""The store of alerts on a real Redis: each change is made and told once, whoever makes it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from redis import Redis

from orchestrator import keys, redis
from orchestrator.alerts import changing, history
from orchestrator.alerts.changing import Change
from orchestrator.alerts.record import Alert
from orchestrator.alerts.standing import Standing
from orchestrator.alerts.store import Store
from orchestrator.errors import UnknownAlert
from tests.own_redis import own_redis

LATE = Alert("queue_age:mails", "warning", "the oldest task has waited for 6m", component="mails")
JUDGES = 8


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    with redis.connect(redis_url) as connected:
        yield connected


@pytest.fixture
def store(client: Redis) -> Store:
    return Store(client, "shop:")


def _told(client: Redis) -> list[tuple[str, str, bool]]:
    return [(each.event, each.alert, each.deliver) for each in history.read(client, "shop:")]


def _raise(store: Store, alert: Alert = LATE) -> None:
    standing = store.read()
    store.apply(standing, [changing.found(standing, alert)])


def _at_once(store: Store, judge: Callable[[Standing], Change | None]) -> int:
    """How many of several judges, who have all read the same, have made the change."""
    ready, made = Barrier(JUDGES), list[int]()

    def run() -> None:
        standing = store.read()
        ready.wait(10)
        made.append(len(store.apply(standing, [judge(standing)])))

    judges = [Thread(target=run) for _ in range(JUDGES)]
    for each in judges:
        each.start()
    for each in judges:
        each.join(10)
    assert len(made) == JUDGES
    return sum(made)


def test_judges_that_find_the_same_at_once_raise_and_clear_it_once(store: Store, client: Redis) -> None:
    assert _at_once(store, lambda standing: changing.found(standing, LATE)) == 1
    assert _at_once(store, lambda standing: changing.gone(standing, LATE.name)) == 1
    assert _told(client) == [("raised", LATE.name, True), ("cleared", LATE.name, True)]


def test_who_acknowledges_while_it_is_judged_is_not_overwritten(store: Store) -> None:
    _raise(store)
    before = store.read()
    store.acknowledge(LATE.name, "ada", "on it")

    made = store.apply(before, [changing.found(before, replace(LATE, severity="critical"))])

    raised = store.read().raised[LATE.name]
    assert made == []
    assert raised.acknowledged is not None
    assert (raised.acknowledged.who, raised.severity) == ("ada", "warning")


def test_a_silence_keeps_an_alert_from_being_delivered_and_says_by_whom(store: Store, client: Redis) -> None:
    until = store.read().now + timedelta(hours=2)
    store.silence("queue_age:*", until, "ada", "a big import")
    _raise(store)
    store.unsilence("queue_age:*", "bob", "it is over")
    _raise(store)

    told = history.read(client, "shop:")
    assert [(each.event, each.alert, each.deliver, each.who, each.why) for each in told] == [
        ("silenced", "queue_age:*", False, "ada", "a big import"),
        ("raised", LATE.name, False, "", ""),
        ("unsilenced", "queue_age:*", False, "bob", "it is over"),
        ("still_raised", LATE.name, True, "", ""),
    ]


def test_what_is_not_there_can_be_neither_acknowledged_nor_unsilenced(store: Store) -> None:
    with pytest.raises(UnknownAlert, match="no alert 'nothing' is raised"):
        store.acknowledge("nothing", "ada", "why")
    with pytest.raises(UnknownAlert, match="no silence is 'nothing'"):
        store.unsilence("nothing", "ada")


def test_a_record_that_is_none_is_replaced(store: Store, client: Redis) -> None:
    client.hset(keys.alerts("shop:"), LATE.name, "no record")
    assert store.read().raised == {}

    _raise(store)

    assert list(store.read().raised) == [LATE.name]


def test_the_history_is_read_on_from_where_one_has_come(store: Store, client: Redis) -> None:
    _raise(store)
    (first,) = history.read(client, "shop:")
    standing = store.read()
    store.apply(standing, [changing.gone(standing, LATE.name, "by a test")])

    (second,) = history.read(client, "shop:", after=first.id)
    assert (second.event, second.why, second.since) == ("cleared", "by a test", first.since)
    assert [each.event for each in history.latest(client, "shop:")] == ["cleared", "raised"]
    assert list(history.latest(client, "shop:", since=second.at + 1)) == []


def test_a_full_redis_takes_alerts_all_the_same() -> None:
    with own_redis() as server:
        store = Store(server.client, "shop:")
        server.client.config_set("maxmemory", 1)
        _raise(store)

        assert list(store.read().raised) == [LATE.name]
        assert _told(server.client) == [("raised", LATE.name, True)]
