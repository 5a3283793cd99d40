"""Every alert that follows from the fleet's health: raised in a real run, and cleared."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery

from monitoring.alerts.looking import Looker, look_once
from monitoring.fleet import parts, reasons
from monitoring.history.folding import fold
from orchestrator import broker, keys
from orchestrator.alerts import history
from orchestrator.alerts.record import Raised
from orchestrator.alerts.store import Store
from orchestrator.breaker.store import Store as Breakers
from orchestrator.policy import Policy
from orchestrator.settings import Settings
from tests.acceptance.alert_tasks import LET_GO
from tests.alerting import raises_and_clears
from tests.own_redis import own_redis
from tests.processes import Worker, let_pass, start_module, start_worker, wait_until
from tests.relays import start_relay

WORK = "alerts.work"
_BETWEEN_LOOKS_SECONDS = 0.1
# Every look is one that counts, however soon it comes.
LIMITS: dict[str, Any] = {
    "perf_monitor_sampling_interval": 0.001,
    "perf_monitor_error_threshold": 40.0,
    "perf_monitor_response_threshold": 200.0,
    "alert_queue_age_seconds": 0.05,
    "alert_breaker_open_seconds": 0.05,
}


@pytest.fixture(autouse=True, scope="module")
def _own_topics() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAFKA_DLQ_SUFFIX", f".dlq-{uuid4().hex[:8]}")
        yield


@pytest.fixture(scope="module")
def limits(environment: Settings) -> Settings:
    return environment.model_copy(update=LIMITS)


@pytest.fixture(scope="module")
def before(server: Any, limits: Settings) -> dict[str, Raised]:
    """What is raised before any worker was started."""
    look_once(limits)
    assert "no_workers" not in _raised(limits)
    look_once(limits)
    return _raised(limits)


@pytest.fixture(scope="module")
def worker(before: dict[str, Raised]) -> Iterator[Worker]:
    """Of a pool that stops no task."""
    options = ("--pool", "threads", "--queues", "celery")
    with start_worker(*options, environment={"OMNINODE_IMPORTS": "tests.acceptance.alert_tasks"}) as started:
        yield started


def _raised(settings: Settings) -> dict[str, Raised]:
    with broker.client(settings, decode=True) as client:
        return dict(Store(client, settings.key_prefix).read().raised)


def _told(settings: Settings, name: str) -> list[str]:
    with broker.client(settings, decode=True) as client:
        return [each.event for each in history.read(client, settings.key_prefix) if each.alert == name]


def _raise(settings: Settings, *names: str) -> list[Raised]:
    def is_raised() -> bool:
        look_once(settings)
        let_pass(_BETWEEN_LOOKS_SECONDS)
        return set(names) <= _raised(settings).keys()

    wait_until(is_raised, what=f"the alerts {names}")
    return [_raised(settings)[name] for name in names]


def _clear(settings: Settings, *names: str) -> None:
    def is_cleared() -> bool:
        look_once(settings)
        let_pass(_BETWEEN_LOOKS_SECONDS)
        return not set(names) & _raised(settings).keys()

    wait_until(is_cleared, what=f"the end of the alerts {names}")
    for name in names:
        assert _told(settings, name)[-1] == "cleared"


@raises_and_clears("no_workers")
def test_a_fleet_without_a_worker_is_told(
    before: dict[str, Raised], worker: Worker, limits: Settings
) -> None:
    assert before["no_workers"].severity == "critical"
    _clear(limits, "no_workers")
    assert _told(limits, "no_workers") == ["raised", "cleared"]


@raises_and_clears("error_rate", "error_rate:<component>", "relay_away")
def test_tasks_that_fail_and_letters_that_nobody_fetches_are_told(
    app: Celery, worker: Worker, limits: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reasons, "SILENT_SECONDS", 0.1)
    for _ in range(12):
        app.send_task(WORK, kwargs={"fails": True}, ignore_result=True)

    whole, part, relay = _raise(limits, "error_rate", f"error_rate:{WORK}", "relay_away")

    assert (whole.severity, whole.component, part.component) == ("critical", None, WORK)
    assert "start `omninode relay`" in relay.sentence
    for _ in range(40):
        app.send_task(WORK, ignore_result=True)
    _clear(limits, "error_rate", f"error_rate:{WORK}")
    with start_relay():
        _clear(limits, "relay_away")


@raises_and_clears("response_time:<component>")
def test_a_task_that_takes_too_long_is_told(app: Celery, worker: Worker, limits: Settings) -> None:
    for _ in range(6):
        app.send_task(WORK, args=[0.4], ignore_result=True)
    (slow,) = _raise(limits, f"response_time:{WORK}")

    assert "which is above 200 ms" in slow.sentence
    for _ in range(200):
        app.send_task(WORK, ignore_result=True)
    _clear(limits, f"response_time:{WORK}")


@raises_and_clears("queue_age:<queue>", "no_consumer:<queue>")
def test_tasks_that_wait_in_a_queue_that_nobody_serves_are_told_until_a_worker_has_run_them(
    app: Celery, server: Any, worker: Worker, limits: Settings
) -> None:
    app.send_task(WORK, queue="alerts-later", ignore_result=True)
    # As a minute later: then it is looked for again in which queues there is something.
    server.delete(keys.finding(limits.key_prefix))
    look_once(limits)
    assert "no_consumer:alerts-later" not in _raised(limits)
    old, unserved = _raise(limits, "queue_age:alerts-later", "no_consumer:alerts-later")

    assert "has waited for" in old.sentence
    assert "which no worker serves" in unserved.sentence
    app.control.add_consumer("alerts-later", destination=[worker.node])
    _clear(limits, "queue_age:alerts-later", "no_consumer:alerts-later")


@raises_and_clears("stuck_tasks")
def test_a_task_that_runs_on_after_its_deadline_is_told(
    app: Celery, server: Any, worker: Worker, limits: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "OVERDUE_SECONDS", 0.1)
    app.send_task("alerts.runs_on", deadline=1.5, ignore_result=True)
    (stuck,) = _raise(limits, "stuck_tasks")

    assert "alerts.runs_on" in stuck.sentence
    server.set(LET_GO, 1)
    _clear(limits, "stuck_tasks")


@raises_and_clears("breaker_open:<name>")
def test_a_circuit_that_stays_open_is_told(server: Any, limits: Settings) -> None:
    breakers = Breakers(server, limits.key_prefix)
    breakers.register("billing", Policy())
    breakers.control("billing", "open", who="ada", why="a trial")
    (is_open,) = _raise(limits, "breaker_open:billing")

    assert is_open.component == "billing"
    breakers.control("billing", "close", who="ada", why="it is over")
    _clear(limits, "breaker_open:billing")


@raises_and_clears("beat_late")
def test_a_beat_that_does_not_run_is_told(server: Any, limits: Settings, tmp_path: Path) -> None:
    (late,) = _raise(limits, "beat_late")

    assert "beat was not seen for a day" in late.sentence
    arguments = ("-A", "orchestrator", "beat", "--schedule", str(tmp_path / "schedule"))
    with TemporaryFile() as log:
        beat = start_module("celery", *arguments, environment={}, log=log)
        try:
            _clear(limits, "beat_late")
        finally:
            beat.kill()
            beat.wait(10)


@raises_and_clears("metrics_behind")
def test_a_history_that_is_behind_is_told(server: Any, limits: Settings) -> None:
    # A minute that nobody has folded, as if beat had been away since.
    minute = int(time.time()) // 60 - 10
    prefix = limits.key_prefix
    server.hset(keys.metrics(f"minute:{minute}", prefix), mapping={"id": "1.0", '["event","x","y"]': 1})
    server.zadd(keys.metrics("minutes", prefix), {str(minute): minute})
    look_once(limits)
    # A fleet that was stopped over the night folds as soon as it is up again.
    assert "metrics_behind" not in _raised(limits)
    (behind,) = _raise(limits, "metrics_behind")

    assert "the history is 10m" in behind.sentence or "the history is 11m" in behind.sentence
    fold(limits)
    _clear(limits, "metrics_behind")


@raises_and_clears("redis_away")
def test_a_redis_that_was_away_is_told_as_soon_as_it_is_back(limits: Settings) -> None:
    with own_redis() as server:
        url = f"redis://127.0.0.1:{server.port}/0"
        own = limits.model_copy(update={"redis_url": url, "celery_broker_url": url})
        looker = Looker(own, 0.05)
        looker.start()
        try:
            wait_until(lambda: "no_workers" in _raised(own), what="a look")
            server.kill()
            wait_until(lambda: "does not answer" in looker.error, what="that it is missed")
            server.start_again()
            wait_until(lambda: _told(own, "redis_away") == ["raised", "cleared"], what="the alert")
            assert looker.error == ""
        finally:
            looker.stop()
