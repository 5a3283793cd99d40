"""A webhook tells of each change of an alert, signed, in order, and again until it is taken."""

import logging
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis
from standardwebhooks import Webhook, WebhookVerificationError
from structlog.testing import capture_logs

from monitoring.alerts.delivering import Delivered, deliver
from monitoring.alerts.delivering.courier import Report
from orchestrator.alerts import history
from orchestrator.dev import ports
from tests.certificates import self_signed
from tests.integration.delivering.conftest import Alerts
from tests.integration.delivering.receiver import SECRET, Receiver, to_webhook
from tests.processes import wait_until
from tests.wire import wire


def _of_webhook(delivered: Delivered) -> Report:
    return next(each for each in delivered.reports if each.destination == "webhook")


def test_a_webhook_says_what_has_happened_and_is_verified_by_the_library_of_the_standard(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    alerts.raise_("queue_age:emails", "critical", "emails")

    report = _of_webhook(deliver(to_webhook(redis_url, receiver.url), client))

    (entry,) = history.read(client)
    ((_, headers, body),) = receiver.requests
    said = Webhook(SECRET).verify(body, headers)
    assert report == Report("webhook", taken=1, waiting=0)
    assert headers["webhook-id"] == f"alert_{entry.id}"
    assert headers["Content-Type"] == "application/json"
    assert said["type"] == "alert.raised"
    assert said["data"] == {
        "id": entry.id,
        "name": "queue_age:emails",
        "severity": "critical",
        "before": None,
        "component": "emails",
        "message": "queue_age:emails is wrong",
        "since": entry.since,
        "until": None,
        "who": None,
        "why": None,
    }
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"critical", b"info"), headers)


def test_every_change_of_an_alert_is_told_in_order_and_once(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    alerts.raise_("a")
    alerts.raise_("a", "critical")
    alerts.store.acknowledge("a", "ada", "I look")
    alerts.raise_("b")
    alerts.clear("a")

    for _ in range(3):
        deliver(to_webhook(redis_url, receiver.url), client)

    assert receiver.told() == [
        ("alert.raised", "a"),
        ("alert.changed", "a"),
        ("alert.acknowledged", "a"),
        ("alert.raised", "b"),
        ("alert.cleared", "a"),
    ]


def test_what_is_not_taken_is_sent_again_under_the_same_id_before_anything_else(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    settings = to_webhook(redis_url, receiver.url)
    receiver.answers.extend([204, 503, 429])
    for name in "abc":
        alerts.raise_(name)

    with capture_logs() as logs:
        first = _of_webhook(deliver(settings, client))
        wait_until(lambda: _of_webhook(deliver(settings, client)).taken, what="the rest")

    assert (first.taken, first.waiting) == (1, 2)
    assert first.trouble == "http://127.0.0.1 answered with 503 Service Unavailable"
    assert receiver.told() == [("alert.raised", "a"), ("alert.raised", "b"), ("alert.raised", "c")]
    assert receiver.ids == [f"alert_{entry.id}" for entry in history.read(client)]
    assert [each["event"] for each in logs] == ["alert_delivery_failed", "alert_delivery_resumed"]


@pytest.mark.parametrize("status", [400, 410, 422])
def test_what_is_refused_for_good_is_told_in_the_log_and_left_behind(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver, status: int
) -> None:
    settings = to_webhook(redis_url, receiver.url)
    receiver.answers.append(status)
    alerts.raise_("a")
    alerts.raise_("b")

    with capture_logs() as logs:
        report = _of_webhook(deliver(settings, client))
        again = _of_webhook(deliver(settings, client))

    assert (report.taken, report.refused, again) == (1, 1, Report("webhook", waiting=0))
    assert receiver.told() == [("alert.raised", "b")]
    assert [(each["event"], each["alert"]) for each in logs] == [("alert_refused", "a")]


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407])
def test_what_is_wrong_with_the_address_or_the_credentials_costs_no_change(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver, status: int
) -> None:
    settings = to_webhook(redis_url, receiver.url)
    alerts.raise_("a")
    deliver(settings, client)
    receiver.answers.append(status)
    alerts.clear("a")

    wait_until(lambda: _of_webhook(deliver(settings, client)).taken, what="the end of the alert")

    assert receiver.told() == [("alert.raised", "a"), ("alert.cleared", "a")]


def test_a_certificate_is_verified_also_where_the_scheme_is_written_in_capitals(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver, tmp_path: Path
) -> None:
    port = urlsplit(receiver.url).port or 0
    alerts.raise_("a")

    with wire(port, tls=self_signed(tmp_path)[0]) as encrypted:
        url = f"HTTPS://127.0.0.1:{encrypted}/alerts"
        report = _of_webhook(deliver(to_webhook(redis_url, url), client))

    assert "certificate verify failed" in report.trouble
    assert receiver.asked == 0


def test_a_redirect_is_not_followed(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    receiver.answers.append(307)
    receiver.headers["Location"] = f"{receiver.url}/elsewhere"
    alerts.raise_("a")

    report = _of_webhook(deliver(to_webhook(redis_url, receiver.url), client))

    assert receiver.asked == 1
    assert report.trouble == "http://127.0.0.1 answered with 307 Temporary Redirect"


def test_who_asks_to_be_left_alone_for_a_while_is_left_alone(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    settings = to_webhook(redis_url, receiver.url)
    receiver.answers.append(429)
    receiver.headers["Retry-After"] = "120"
    alerts.raise_("a")

    reports = [_of_webhook(deliver(settings, client)) for _ in range(3)]

    assert {each.trouble for each in reports} == {"http://127.0.0.1 answered with 429 Too Many Requests"}
    assert receiver.asked == 1


def test_a_receiver_that_is_away_is_told_everything_in_order_when_it_is_back(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    settings = to_webhook(redis_url, receiver.url)
    receiver.answers.extend([500] * 4)
    for number in range(20):
        alerts.raise_(f"a{number}")
        if number % 2:
            alerts.clear(f"a{number}")

    wait_until(lambda: _of_webhook(deliver(settings, client)).taken, what="the receiver's return")

    assert receiver.told()[:3] == [("alert.raised", "a0"), ("alert.raised", "a1"), ("alert.cleared", "a1")]
    assert len(receiver.requests) == 30


def test_after_a_flood_a_receiver_is_told_what_is_still_raised_and_what_it_believes_in_vain(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver
) -> None:
    settings = to_webhook(redis_url, receiver.url)
    alerts.raise_("old")
    deliver(settings, client)
    for number in range(60):
        alerts.raise_(f"a{number}")
        alerts.clear(f"a{number}")
    alerts.clear("old")
    alerts.raise_("new")

    report = _of_webhook(deliver(settings, client))

    assert receiver.told() == [("alert.raised", "old"), ("alert.cleared", "old"), ("alert.raised", "new")]
    assert (report.taken, report.left_out, report.waiting) == (2, 120, 0)


def test_what_is_secret_in_an_address_is_used_and_not_logged(
    redis_url: str, client: Redis, alerts: Alerts, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    url = receiver.url.replace("http://", "http://ada:hunter2@") + "/services/hunter3?key=hunter4"
    alerts.raise_("a")

    with caplog.at_level(logging.DEBUG):
        report = _of_webhook(deliver(to_webhook(redis_url, url), client))

    ((path, headers, _),) = receiver.requests
    assert report.taken == 1
    assert (path, headers["Authorization"]) == (
        "/alerts/services/hunter3?key=hunter4",
        "Basic YWRhOmh1bnRlcjI=",
    )
    assert "hunter" not in caplog.text


def test_nothing_secret_is_shown_of_a_receiver_that_is_away(
    redis_url: str, client: Redis, alerts: Alerts
) -> None:
    url = f"http://ada:hunter2@127.0.0.1:{ports.free(1)[0]}/services/T0/hunter3"
    alerts.raise_("a")

    with capture_logs() as logs:
        delivered = deliver(to_webhook(redis_url, url), client)

    shown = f"{logs} {delivered} {delivered.trouble}"
    assert "http://127.0.0.1 does not answer" in shown
    assert "hunter" not in shown
    assert SECRET not in shown
