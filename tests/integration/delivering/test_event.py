"""Whoever listens to Celery's events hears of alerts, and a test says whether each destination hears."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from monitoring.alerts.delivering import deliver
from monitoring.alerts.delivering import test as try_out
from monitoring.alerts.delivering.trial import NoDestination
from orchestrator import settings
from orchestrator.alerts import history
from orchestrator.install import install
from orchestrator.settings import Settings
from tests.integration.delivering.conftest import Alerts
from tests.integration.delivering.receiver import Receiver, to_webhook
from tests.listening import listening
from tests.processes import wait_until


@pytest.fixture
def heard(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What a program hears that listens to events."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    with listening(install(Celery("listener", set_as_current=False))) as events:
        yield events
    settings.forget()


def test_an_alert_is_an_event_of_a_group_of_its_own(
    redis_url: str, client: Redis, alerts: Alerts, heard: list[dict[str, Any]]
) -> None:
    settings = Settings.model_validate({"redis_url": redis_url})
    alerts.raise_("queue_age:emails", "critical", "emails")
    deliver(settings, client)
    alerts.silence("queue_age:*")
    alerts.clear("queue_age:emails")

    deliver(settings, client)

    wait_until(lambda: len(heard) >= 3, what="the events")
    raised, silenced, cleared = heard
    assert [each["type"] for each in heard] == ["alert", "alert", "alert"]
    assert {each["hostname"].partition("@")[0] for each in heard} == {"omninode-alerts"}
    assert [each["id"] for each in heard] == [entry.id for entry in history.read(client)]
    assert (
        raised["change"],
        raised["name"],
        raised["severity"],
        raised["component"],
        raised["sentence"],
    ) == (
        "raised",
        "queue_age:emails",
        "critical",
        "emails",
        "queue_age:emails is wrong",
    )
    assert (silenced["change"], silenced["who"], silenced["why"]) == ("silenced", "ada", "it is known")
    assert cleared["change"] == "cleared"


def test_a_trial_says_of_each_destination_whether_it_takes_alerts_and_is_kept_nowhere(
    redis_url: str, client: Redis, heard: list[dict[str, Any]], receiver: Receiver
) -> None:
    receiver.answers.append(400)
    chosen = to_webhook(redis_url, receiver.url, alertmanager_url=receiver.url)

    tried = {each.destination: each.answer for each in try_out(chosen, client, ())}

    assert {name: answer.kind for name, answer in tried.items()} == {
        "event": "taken",
        "webhook": "refused",
        "alertmanager": "taken",
    }
    assert tried["webhook"].sentence == "http://127.0.0.1 answered with 400 Bad Request"
    wait_until(lambda: heard, what="the event")
    assert (heard[0]["type"], heard[0]["change"], heard[0]["severity"]) == ("alert", "test", "info")
    assert client.keys("*alerts*") == []
    try_out(chosen, client, ["webhook"])
    assert receiver.requests[-1][1]["webhook-id"].startswith("alert_")


def test_a_trial_of_what_is_not_configured_is_refused(redis_url: str, client: Redis) -> None:
    with pytest.raises(NoDestination) as refused:
        try_out(Settings.model_validate({"redis_url": redis_url}), client, ["webhook"])

    assert str(refused.value) == "alerts are not sent to 'webhook': the settings name event"
