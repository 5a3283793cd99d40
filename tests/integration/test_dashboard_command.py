"""`omninode dashboard`: the document's JSON, a screen of 80 columns; what is unknown is not zero."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from orchestrator import redis
from orchestrator.breaker.store import Store
from orchestrator.install import install
from orchestrator.policy import Policy
from orchestrator.settings import Settings
from tests.commands import omninode

_AWAY = {"REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
_SAMPLE = {
    "system_health": {
        "status",
        "uptime_seconds",
        "error_rate_percent",
        "average_response_time_ms",
        "active_connections",
    },
    "resilience_metrics": {
        "circuit_breaker_trips",
        "timeout_failures",
        "retry_attempts",
        "dead_letter_queue_messages",
        "grace_period_recoveries",
    },
}


@pytest.fixture
def server(environment: Settings) -> Redis:
    return redis.connect(environment.redis_url)


def test_the_json_has_the_documents_keys_and_the_fleet_beside_them(
    environment: Settings, server: Redis
) -> None:
    with install(Celery("shown", set_as_current=False), environment) as app:
        app.send_task("lost", queue="typo")

    done = omninode("dashboard", "--json")

    told = json.loads(done.stdout)
    assert {part: set(told[part]) for part in _SAMPLE} == _SAMPLE
    assert (told["component_performance"], "samples" in told) == ({}, False)
    assert (done.code, told["system_health"]["status"]) == (1, "critical")
    assert told["unknown"] == {}
    typo = told["fleet"]["queues"]["typo"]
    assert (typo["waiting"], typo["workers"]) == (1, 0)
    assert [each["name"] for each in told["reasons"]] == ["no_workers", "beat_late", "no_consumer:typo"]


def test_the_screen_fits_eighty_columns_whatever_things_are_called(
    environment: Settings, server: Redis
) -> None:
    with install(Celery("shown", set_as_current=False), environment) as app:
        app.send_task("lost", queue="a queue of a long name, " * 8)
    store = Store(server)
    store.register("a circuit of a long name, " * 6, Policy())
    store.control("a circuit of a long name, " * 6, "open", who="me", why="a test")

    done = omninode("dashboard", environment={"COLUMNS": "80"})

    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("critical  ")
    assert lines[1] == "critical  no worker lives: start one with `celery -A orchestrator worker`"
    assert any(line.startswith("…") and line.split()[-6:-4] == ["0", "1"] for line in lines)
    assert any(line.startswith("…") and line.split()[-2] == "open" for line in lines)


def test_servers_that_are_away_leave_figures_unknown_and_not_zero(environment: Settings) -> None:
    screen, done = (omninode("dashboard", *options, environment=_AWAY) for options in ([], ["--json"]))

    told: dict[str, Any] = json.loads(done.stdout)
    health = told["system_health"]
    assert (screen.code, done.code, health["status"]) == (1, 1, "critical")
    assert (health["error_rate_percent"], health["active_connections"]) == (None, None)
    assert set(told["resilience_metrics"].values()) == {told["refused_measures"]} == {None}
    assert "figures" not in done.stdout
    assert (told["fleet"]["queues"], told["fleet"]["workers"], told["alerts"]) == (None, None, None)
    assert {"metrics", "redis", "queues", "beat", "breakers", "letters"} <= set(told["unknown"])
    assert "now:              workers ?  tasks running ?" in screen.stdout
    assert "Traceback" not in screen.stdout + screen.stderr


def test_it_is_shown_again_and_again_until_ctrl_c(environment: Settings) -> None:
    command = [str(Path(sys.executable).parent / "omninode"), "dashboard", "--json", "--watch", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as shown:
        assert shown.stdout is not None
        first, second = (json.loads(shown.stdout.readline()) for _ in range(2))
        shown.send_signal(signal.SIGINT)
        _, said = shown.communicate(timeout=20)

    assert (shown.returncode, said) == (130, "")
    assert first["generated_at"] < second["generated_at"]


def test_an_interval_of_less_than_a_second_is_refused(environment: Settings) -> None:
    done = omninode("dashboard", "--watch", "0.1")

    assert done.code == 2
    assert "0.1 is not in the range" in done.stderr
