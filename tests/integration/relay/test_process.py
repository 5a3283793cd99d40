"""`omninode relay` as a process: how it starts, ends, and bears servers that are away."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from monitoring.health.probes.deadletters import check_dead_letters
from orchestrator import keys, redis, settings
from orchestrator.cli.relay import relay as relay_command
from orchestrator.dev.ports import LOOPBACK
from orchestrator.relay.process import keep_running
from orchestrator.relay.watching import heartbeat
from orchestrator.settings import Settings
from tests.commands import omninode
from tests.processes import let_pass, wait_until
from tests.relays import start_relay

NOBODY = f"{LOOPBACK}:1"
LOOPS = {"heartbeat", "indexer", "mover", "reconciler", "returner", "schema", "watcher"}


@pytest.fixture(autouse=True)
def _own_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_DLQ_SUFFIX", f".dlq-{uuid4().hex[:8]}")


@contextmanager
def _mute() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield f"{LOOPBACK}:{server.getsockname()[1]}"


def _relays(environment: Settings) -> dict[str, Any]:
    with redis.connect(environment.broker_url) as client:
        return heartbeat.heard(client)


def _loops(environment: Settings) -> set[str]:
    return {loop for state in _relays(environment).values() for loop in state}


def _bury(environment: Settings, letter_id: str, prefix: str = "") -> None:
    with redis.connect(environment.broker_url) as client:
        client.xadd(
            keys.outbox(prefix),
            {"id": letter_id, "reason": "exception", "task_id": letter_id, "queue": "celery", "raw": "{}"},
        )


def _waiting(environment: Settings) -> int:
    with redis.connect(environment.broker_url) as client:
        return int(client.xlen(keys.outbox()))


def test_a_signal_ends_it_and_it_takes_its_leave(environment: Settings) -> None:
    with start_relay() as relay:
        wait_until(lambda: _loops(environment) == LOOPS, what="what its loops say")
        relay.process.send_signal(signal.SIGTERM)

        assert relay.process.wait(10) == 0
        assert relay.events("relay_has_ended")
    assert _relays(environment) == {}
    assert CliRunner().invoke(relay_command, ["--check"]).exit_code == 1


def test_it_works_under_the_brokers_prefix_and_is_seen_there(
    environment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis.connect(environment.broker_url) as client, start_relay(options=["--prefix", "shop:"]) as relay:
        client.xadd(keys.outcomes("shop:"), {"letter_id": "a", "replay": "1", "outcome": "resolved"})
        _bury(environment, "a", "shop:")
        wait_until(lambda: client.xlen(keys.outbox("shop:")) == 0, what="the letter's way")
        wait_until(lambda: client.xlen(keys.outcomes("shop:")) == 0, what="the outcome's way")
        here = CliRunner().invoke(relay_command, ["--check", "--prefix", "shop:"])
        wait_until(lambda: client.exists(keys.alerting("shop:")), what="its watcher")
        settings.use(environment)
        elsewhere = check_dead_letters()
        settings.use(environment.model_copy(update={"key_prefix": "shop:"}))
        seen = str(check_dead_letters())
        relay.process.send_signal(signal.SIGINT)

        assert relay.process.wait(10) == 130
        assert {name.partition(":")[0] for name in client.scan_iter()} == {"shop"}
    assert here.exit_code == 0
    assert seen.startswith("none waits; 1 relay")
    assert elsewhere == "none waits; no relay runs"


def test_a_second_signal_ends_it_at_once(environment: Settings) -> None:
    with _mute() as address:
        variables = {"DATABASE_URL": f"postgresql://nobody@{address}/shop"}
        with start_relay(variables, until="relay_starts") as relay:
            wait_until(lambda: len(_relays(environment)) == 1, what="its heartbeat")
            relay.process.send_signal(signal.SIGINT)
            # Two that follow on each other's heels are one.
            let_pass(0.5)
            relay.process.send_signal(signal.SIGINT)

            assert relay.process.wait(10) == 130
            assert not relay.events("relay_has_ended")
            assert not relay.events("relay_ends_early")


def test_wrong_settings_are_a_sentence() -> None:
    ended = omninode("relay", environment={"KAFKA_TIMEOUT_SECONDS": "soon"})

    assert (ended.code, ended.stdout) == (2, "")
    assert "KAFKA_TIMEOUT_SECONDS=soon" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_letters_go_to_kafka_while_postgresql_is_away(environment: Settings) -> None:
    variables = {"DATABASE_URL": f"postgresql://nobody@{NOBODY}/shop"}
    _bury(environment, "a")
    with start_relay(variables, until="relay_starts") as relay:
        wait_until(lambda: _waiting(environment) == 0, 30.0, "the end of the outbox")
        relay.wait_for("relay_waits")
        (waits,) = [each for each in relay.events("relay_waits") if each["loop"] == "schema"]

        assert waits["error"].startswith(f"PostgreSQL does not answer at postgresql://nobody@{NOBODY}/shop")
        assert not relay.events("relay_ready")


def test_a_redis_that_comes_later_is_waited_for(environment: Settings) -> None:
    with start_relay({"CELERY_BROKER_URL": f"redis://{NOBODY}/0"}, until="relay_waits") as relay:
        relay.process.send_signal(signal.SIGTERM)

        assert relay.process.wait(10) == 0
        assert "Traceback" not in relay.log()


class _FailsOnce:
    """A loop that raises when it is first run."""

    def __init__(self) -> None:
        self.runs = 0

    def run(self, stop: Event) -> None:
        self.runs += 1
        if self.runs == 1:
            raise LookupError(self.runs)
        stop.wait()

    def state(self) -> dict[str, Any]:
        return {}


def test_a_loop_that_fails_is_started_again() -> None:
    loop, stop = _FailsOnce(), Event()
    thread = Thread(target=keep_running, args=("test", loop, stop))
    thread.start()
    wait_until(lambda: loop.runs == 2, what="the second start")
    stop.set()
    thread.join(5)

    assert not thread.is_alive()


def test_log_lines_are_for_people_where_they_shall_be(environment: Settings) -> None:
    command = [sys.executable, "-m", "orchestrator.cli", "relay"]
    variables = os.environ | {"OMNINODE_LOG_FORMAT": "console"}
    with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE) as process:
        assert process.stderr
        line = process.stderr.readline().decode()
        process.kill()

    assert "relay_starts" in line
    assert not line.startswith("{")
