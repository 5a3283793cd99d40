"""A real Alertmanager knows what is raised, and that it is raised no more."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs

from monitoring.alerts.delivering import deliver
from orchestrator.settings import Settings
from tests.integration.delivering.conftest import Alerts
from tests.integration.delivering.receiver import Receiver
from tests.observability.servers import Alertmanager, start_alertmanager
from tests.processes import wait_until


@pytest.fixture(scope="module")
def alertmanager() -> Iterator[Alertmanager]:
    with start_alertmanager() as server:
        yield server


def _settings(redis_url: str, url: str, **others: Any) -> Settings:
    return Settings.model_validate({"redis_url": redis_url, "alertmanager_url": url} | others)


def test_alertmanager_has_what_is_raised_as_it_is_now_and_until_it_is_cleared(
    redis_url: str, client: Redis, alerts: Alerts, alertmanager: Alertmanager
) -> None:
    settings = _settings(redis_url, f"{alertmanager.url}/", exporter_port=9999)
    alerts.raise_("queue_age:emails", "warning", "emails")
    alerts.raise_("beat_late", "critical")
    deliver(settings, client)
    both = sorted(alertmanager.alerts(), key=lambda alert: alert["labels"]["alert"])
    assert [each["labels"] for each in both] == [
        {"alertname": "beat_late", "alert": "beat_late", "severity": "critical", "service": "omninode"},
        {
            "alertname": "queue_age",
            "alert": "queue_age:emails",
            "severity": "warning",
            "component": "emails",
            "service": "omninode",
        },
    ]
    assert both[1]["annotations"] == {
        "summary": "queue_age:emails",
        "description": "queue_age:emails is wrong",
    }
    assert both[1]["generatorURL"] == "http://127.0.0.1:9999/dashboard"

    alerts.raise_("queue_age:emails", "critical", "emails")
    alerts.clear("beat_late")
    deliver(settings, client)

    assert [(each["labels"]["alert"], each["labels"]["severity"]) for each in alertmanager.alerts()] == [
        ("queue_age:emails", "critical")
    ]
    alerts.clear("queue_age:emails")
    deliver(settings, client)
    assert alertmanager.alerts() == []


def test_what_is_raised_is_told_again_before_alertmanager_takes_it_for_resolved(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    settings = _settings(redis_url, receiver.url, perf_monitor_sampling_interval=600)
    alerts.raise_("a")
    alerts.raise_("b")
    alerts.raise_("c")
    deliver(settings, client)
    alerts.silence("b")
    deliver(settings, client)
    assert len(receiver.requests) == 3 + 1
    (account,) = client.keys("*:delivery:alertmanager:*")
    client.hincrbyfloat(account, "reminded_at", -46)

    deliver(settings, client)
    deliver(settings, client)

    assert len(receiver.requests) == 3 + 1 + 1
    path, _, _ = receiver.requests[-1]
    assert path == "/alerts/api/v2/alerts"
    assert [each["labels"]["alert"] for each in receiver.posted()[-1]] == ["a", "c"]


def test_an_alertmanager_that_has_lost_everything_is_told_again(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    settings = _settings(redis_url, receiver.url)
    alerts.raise_("a")
    deliver(settings, client)
    (account,) = client.keys("*:delivery:alertmanager:*")
    client.hset(account, "reminded_at", 0)
    receiver.answers.append(503)

    with capture_logs() as logs:
        away = deliver(settings, client)
        wait_until(lambda: deliver(settings, client) and len(receiver.requests) == 3, what="the reminder")

    assert [each["event"] for each in logs] == ["alert_delivery_failed", "alert_delivery_resumed"]
    assert client.hget(account, "failures") == "0"
    assert away.trouble == "alertmanager: http://127.0.0.1 answered with 503 Service Unavailable"
