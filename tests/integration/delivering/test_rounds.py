"""A round of deliveries: nothing is lost, nothing holds it up, and it leads to how things stand."""

import json
import subprocess
import sys
from pathlib import Path
from threading import enumerate as threads
from time import monotonic
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs

from monitoring.alerts.delivering import deliver, rounds
from monitoring.alerts.delivering import test as send_a_test
from monitoring.alerts.delivering.answer import Answer
from monitoring.alerts.delivering.courier import Courier
from monitoring.alerts.delivering.ledger import Ledger
from monitoring.alerts.delivering.told import Told
from monitoring.alerts.delivering.webhook import Webhook
from monitoring.alerts.turn import held
from orchestrator import keys, redis
from orchestrator.alerts import changing, history
from orchestrator.alerts.history import Entry
from orchestrator.dev import ports
from tests.integration.delivering.conftest import Alerts
from tests.integration.delivering.receiver import SECRET, Receiver, to_webhook
from tests.processes import wait_until

ROOT = Path(__file__).parents[3]
DELIVERS = """
import sys
from monitoring.alerts.delivering import deliver
from orchestrator import redis
from orchestrator.settings import Settings
settings = Settings(redis_url=sys.argv[1], alert_webhook_url=sys.argv[2], alert_webhook_secret=sys.argv[3])
deliver(settings, redis.connect(sys.argv[1]))
"""


def test_what_a_deliverer_was_killed_over_is_delivered_again_under_the_same_id_and_nothing_is_lost(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    for number in range(5):
        alerts.raise_(f"a{number}")
    receiver.may_answer.clear()
    command = [sys.executable, "-c", DELIVERS, redis_url, receiver.url, SECRET]
    killed = subprocess.Popen(command, cwd=ROOT)
    wait_until(lambda: receiver.asked, what="the first request")
    killed.kill()
    killed.wait(10)
    receiver.may_answer.set()
    # Its answer found nobody.
    wait_until(lambda: receiver.requests, what="the end of the first request")
    (turn,) = client.keys("*:alerts:delivering:webhook:*")
    assert 0 < client.pttl(turn) <= 15_000
    client.delete(turn)

    deliver(to_webhook(redis_url, receiver.url), client)

    first, *others = (f"alert_{entry.id}" for entry in history.read(client))
    assert receiver.ids == [first, first, *others]


def test_who_has_heard_of_an_alert_hears_of_its_end_also_where_the_deliverer_was_killed_over_it(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    """It was silenced when it was raised: no entry of the history is sent again."""
    alerts.silence("a")
    alerts.raise_("a")
    alerts.store.unsilence("a", "ada")
    settings = to_webhook(redis_url, receiver.url)
    destination = _KilledOver(receiver.url, "still_raised")

    with pytest.raises(KeyboardInterrupt):
        Courier(destination, client, "", monotonic() + 60).go()
    alerts.clear("a")
    for _ in range(2):
        deliver(settings, client)

    assert receiver.told()[2:] == [("alert.raised", "a"), ("alert.cleared", "a")]


def test_what_is_sent_again_after_a_kill_has_the_same_id_and_what_gets_worse_twice_has_two(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    settings = to_webhook(redis_url, receiver.url)
    alerts.silence("a")
    alerts.raise_("a")
    alerts.store.unsilence("a", "ada")
    with pytest.raises(KeyboardInterrupt):
        Courier(_KilledOver(receiver.url, "still_raised"), client, "", monotonic() + 60).go()
    deliver(settings, client)
    for severity in ("critical", "warning", "critical"):
        alerts.silence("a")
        alerts.raise_("a", severity)
        alerts.store.unsilence("a", "ada")
        deliver(settings, client)

    about = zip(receiver.told(), receiver.ids, receiver.posted(), strict=True)
    told = [
        (kind, said["data"]["severity"], id_)
        for (kind, name), id_, said in about
        if name == "a" and said["data"]["severity"]
    ]
    assert [each[:2] for each in told] == [
        ("alert.raised", "warning"),
        ("alert.raised", "warning"),
        ("alert.changed", "critical"),
        ("alert.changed", "warning"),
        ("alert.changed", "critical"),
    ]
    assert told[0][2] == told[1][2]
    assert len({each[2] for each in told}) == 4


class _KilledOver(Webhook):
    """A webhook whose sender is killed after an entry of this kind was taken."""

    def __init__(self, url: str, event: str) -> None:
        super().__init__(url, SECRET)
        self._event = event

    def take(self, entry: Entry, told: Told | None) -> Answer:
        answer = super().take(entry, told)
        if entry.event == self._event:
            raise KeyboardInterrupt
        return answer


def test_a_clock_that_was_set_back_makes_nobody_wait(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    settings = to_webhook(redis_url, receiver.url)
    receiver.answers.append(503)
    alerts.raise_("a")
    deliver(settings, client)
    account = keys.alert_delivery(Webhook(receiver.url, SECRET).identity)
    client.hset(account, "again_at", "99999999999")

    deliver(settings, client)

    assert receiver.told() == [("alert.raised", "a")]


def test_while_one_delivers_nobody_else_does(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    settings = to_webhook(redis_url, receiver.url)
    alerts.raise_("a")
    identity = Webhook(receiver.url, SECRET).identity

    with held(client, keys.alert_delivery_turn(identity), 15_000):
        beside = deliver(settings, client)
    alone = deliver(settings, client)

    assert [(each.destination, each.taken, each.trouble) for each in beside.reports] == [
        ("event", 1, ""),
        ("webhook", 0, ""),
    ]
    assert [each.taken for each in alone.reports] == [0, 1]
    assert receiver.told() == [("alert.raised", "a")]


def test_one_that_is_away_holds_up_no_other(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    away = f"http://127.0.0.1:{ports.free(1)[0]}"
    alerts.raise_("a")

    delivered = deliver(to_webhook(redis_url, away, alertmanager_url=receiver.url), client)

    assert {each.destination: each.taken for each in delivered.reports} == {
        "event": 1,
        "webhook": 0,
        "alertmanager": 1,
    }
    assert delivered.trouble == "webhook: http://127.0.0.1 does not answer: [Errno 111] Connection refused"


def test_one_that_answers_a_byte_at_a_time_ends_with_the_round(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "_MOST_SECONDS", 0.5)
    receiver.drips = True
    alerts.raise_("a")

    delivered = deliver(to_webhook(redis_url, receiver.url), client)

    assert delivered.trouble == "webhook: it takes too long to answer"
    wait_until(
        lambda: "omninode-alerts-webhook" not in {each.name for each in threads()}, what="the thread's end"
    )


def test_redis_that_is_away_is_told_and_not_raised(receiver: Receiver) -> None:
    url = f"redis://127.0.0.1:{ports.free(1)[0]}/0"
    with redis.connect(url, retries=0) as client:
        delivered = deliver(to_webhook(url, receiver.url), client)

    assert [each.destination for each in delivered.reports] == ["event", "webhook"]
    assert all("Connection refused" in each.trouble for each in delivered.reports)


def test_an_alert_that_is_silenced_is_told_when_the_silence_is_over_and_it_is_still_raised(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    settings = to_webhook(redis_url, receiver.url)
    alerts.silence("queue_age:*")
    alerts.raise_("queue_age:a")
    alerts.raise_("queue_age:b")
    alerts.clear("queue_age:b")
    deliver(settings, client)
    alerts.store.unsilence("queue_age:*", "ada")

    deliver(settings, client)
    alerts.raise_("queue_age:a")
    deliver(settings, client)

    assert receiver.told() == [
        ("alert.silenced", "queue_age:*"),
        ("alert.unsilenced", "queue_age:*"),
        ("alert.raised", "queue_age:a"),
    ]


def test_who_was_told_of_an_alert_that_is_silenced_then_is_told_of_its_end(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    settings = to_webhook(redis_url, receiver.url)
    alerts.raise_("a")
    deliver(settings, client)
    alerts.silence("*")
    alerts.raise_("a", "critical")
    alerts.clear("a")

    deliver(settings, client)

    assert receiver.told() == [("alert.raised", "a"), ("alert.silenced", "*"), ("alert.cleared", "a")]


def test_what_is_silenced_while_its_destination_is_away_is_not_told_of_when_that_is_back(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    settings = to_webhook(redis_url, receiver.url)
    receiver.answers.append(503)
    alerts.raise_("queue_age:a")
    alerts.raise_("no_workers", "critical")
    deliver(settings, client)
    alerts.silence("queue_age:*")
    send_a_test(settings, client, ["webhook"])

    deliver(settings, client)
    alerts.store.unsilence("queue_age:*", "ada")
    deliver(settings, client)

    assert receiver.told() == [
        ("alert.test", "test"),
        ("alert.raised", "no_workers"),
        ("alert.silenced", "queue_age:*"),
        ("alert.unsilenced", "queue_age:*"),
        ("alert.raised", "queue_age:a"),
    ]


def test_what_waits_for_a_destination_is_sent_once_that_has_taken_a_test(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    settings = to_webhook(redis_url, receiver.url)
    receiver.answers.append(503)
    receiver.headers["Retry-After"] = "3000"
    alerts.raise_("a")
    deliver(settings, client)
    deliver(settings, client)
    assert receiver.told() == []

    send_a_test(settings, client, ["webhook"])
    deliver(settings, client)

    assert receiver.told() == [("alert.test", "test"), ("alert.raised", "a")]


def test_one_that_is_away_for_long_is_asked_at_least_once_a_minute(
    redis_url: str, client: Redis, alerts: Alerts
) -> None:
    settings = to_webhook(redis_url, f"http://127.0.0.1:{ports.free(1)[0]}")
    alerts.raise_("a")
    deliver(settings, client)
    (account,) = client.keys("*alerts:delivery:webhook:*")
    client.hset(account, mapping={"failures": 1000, "again_at": 0})
    pauses = []
    for _ in range(8):
        client.hset(account, "again_at", 0)
        deliver(settings, client)
        pauses.append(float(client.hget(account, "again_at") or 0) - client.time()[0])

    assert max(pauses) <= 61.0


def test_an_alert_that_was_acknowledged_is_not_announced_again(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    alerts.raise_("a")
    alerts.store.acknowledge("a", "ada", "I look")
    alerts.raise_("a", "critical")

    deliver(to_webhook(redis_url, receiver.url), client)

    assert receiver.told() == [("alert.raised", "a"), ("alert.acknowledged", "a")]


def test_what_the_history_has_forgotten_is_told_from_how_things_stand(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    settings = to_webhook(redis_url, receiver.url)
    alerts.raise_("a")
    client.delete(keys.alert_history())
    deliver(settings, client)
    alerts.clear("a")
    alerts.raise_("b")
    client.delete(keys.alert_history())

    for _ in range(2):
        deliver(settings, client)

    assert receiver.told() == [("alert.raised", "a"), ("alert.cleared", "a"), ("alert.raised", "b")]


def test_a_destination_that_is_new_hears_of_what_is_raised_and_not_of_what_was_long_ago(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    gone: Any = {"event": "raised", "alert": "gone", "severity": "info", "deliver": "1"}
    client.xadd(keys.alert_history(), gone, id="1700000000000-0")
    alerts.raise_("a")

    deliver(to_webhook(redis_url, receiver.url), client)

    assert receiver.told() == [("alert.raised", "a")]


def test_an_entry_that_cannot_be_read_is_left_behind(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    client.xadd(keys.alert_history(), {"event": "invented", "alert": "x"})
    client.xadd(keys.alert_history(), {"nothing": "known"})
    client.xadd(keys.alert_history(), {"event": "raised", "alert": "x", "since": "soon", "deliver": "1"})
    alerts.raise_("a")
    settings = to_webhook(redis_url, receiver.url, alertmanager_url=receiver.url)

    with capture_logs() as logs:
        delivered = deliver(settings, client)

    refused = {each["destination"] for each in logs if each["event"] == "alert_refused"}
    assert refused == {"alertmanager"}
    assert [each.waiting for each in delivered.reports] == [0, 0, 0]


def test_two_that_deliver_at_once_do_not_set_each_other_back(client: Redis, alerts: Alerts) -> None:
    alerts.raise_("a")
    first, second = Ledger(client, "webhook"), Ledger(client, "webhook")
    one, other = first.read(), second.read()

    moved = first.write(one, one.with_belief("a", None))
    late = second.write(other, other)

    assert moved is not None
    assert late is None


def test_a_silence_that_is_over_by_time_alone_has_its_alerts_told_without_a_look(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    alerts.silence("a")
    alerts.raise_("a")
    over = json.loads(client.hget(keys.silences(), "a") or "") | {"until": "2026-01-01T00:00:00+00:00"}
    client.hset(keys.silences(), "a", json.dumps(over))
    settings = to_webhook(redis_url, receiver.url)

    deliver(settings, client)
    standing = alerts.store.read()
    alerts.store.apply(standing, changing.forgotten(standing))
    alerts.raise_("a")
    deliver(settings, client)

    assert receiver.told() == [("alert.silenced", "a"), ("alert.raised", "a"), ("alert.unsilenced", "a")]
