import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from confluent_kafka.cimpl import NewTopic

from orchestrator import kafka, redis
from orchestrator.dev import ports
from orchestrator.dev.environment import FOREIGN
from orchestrator.dev.servers.java import find_tools
from orchestrator.dev.stack import running
from tests.commands import Done, omninode
from tests.processes import wait_until

Environment = dict[str, str]


def _environment(folder: Path, **more: str) -> Environment:
    """A temporary folder of the test's own, so that only its stacks are found there."""
    folder.mkdir(exist_ok=True)
    return {"TMPDIR": str(folder), **more}


def _without_tools(folder: Path) -> Environment:
    return _environment(folder, PATH="/nowhere", JAVA_HOME="")


def _with_fake_tools(tmp_path: Path, maven: str) -> Environment:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, script in (("mvn", maven), ("java", "echo 'openjdk version \"17.0.1\"' >&2")):
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    return _environment(
        tmp_path / "tmp", PATH=str(tools), JAVA_HOME="", XDG_CACHE_HOME=str(tmp_path / "cache")
    )


def _stacks(environment: Environment) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        omninode("stack", "status", "--json", environment=environment).stdout
    )["stacks"]
    return found


def _processes(stack: dict[str, Any]) -> list[psutil.Process]:
    supervisor = psutil.Process(stack["supervisor_pid"])
    return [supervisor, *supervisor.children(recursive=True)]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait_for_the_end_of(processes: list[psutil.Process], within_seconds: float = 5.0) -> None:
    wait_until(lambda: not any(map(_runs, processes)), within_seconds, f"the end of {processes}")


def _names_in(folder: str | Path) -> list[str]:
    return [path.name for path in Path(folder).iterdir()]


def _ports(addresses: dict[str, str]) -> list[int]:
    urls = [url if "://" in url else f"kafka://{url}" for url in addresses.values()]
    return [port for url in urls if (port := urlsplit(url).port)]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return _environment(tmp_path_factory.mktemp("stacks"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("data") / "kept")


@pytest.fixture(scope="module")
def started(environment: Environment, kept: str) -> Iterator[Done]:
    """A stack in the folder `kept`."""
    yield omninode("stack", "start", "--dir", kept, "--json", environment=environment)
    omninode("stack", "stop", "--all", environment=environment)


@pytest.fixture(scope="module")
def second(environment: Environment, started: Done) -> Done:
    """A second stack, in a temporary folder, where neither Maven nor Java can be found."""
    return omninode("stack", "start", "--json", environment=_without_tools(Path(environment["TMPDIR"])))


@pytest.fixture
def addresses(started: Done) -> dict[str, str]:
    parsed: dict[str, str] = json.loads(started.stdout)
    return parsed


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Environment]:
    """No other stacks, no Maven and no Java."""
    environment = _without_tools(tmp_path / "tmp")
    yield environment
    omninode("stack", "stop", "--all", environment=environment)


def test_start_prints_exactly_the_three_addresses(started: Done) -> None:
    assert started.code == 0, started.stderr
    assert list(json.loads(started.stdout)) == ["redis_url", "kafka_bootstrap_servers", "database_url"]


def test_every_server_answers_and_the_database_has_our_schema(addresses: dict[str, str]) -> None:
    with redis.connect(addresses["redis_url"]) as client:
        assert client.ping()
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    with psycopg.connect(addresses["database_url"]) as connection:
        assert connection.execute("SELECT count(*) FROM hook_events").fetchone() == (0,)
    assert kafka.admin(addresses["kafka_bootstrap_servers"]).list_topics(timeout=5).brokers


def test_servers_listen_on_the_loopback_interface_alone(environment: Environment, started: Done) -> None:
    [stack] = _stacks(environment)
    listening = {
        connection.laddr.ip
        for pid in stack["pids"].values()
        for connection in psutil.Process(pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}


def test_status_shows_addresses_and_living_processes(
    environment: Environment, addresses: dict[str, str]
) -> None:
    [stack] = _stacks(environment)
    assert stack["addresses"] == addresses
    assert stack["who"] == "omninode stack start"
    assert sorted(stack["pids"]) == ["kafka", "postgres", "redis"]
    assert all(psutil.pid_exists(pid) for pid in stack["pids"].values())


def test_the_exports_lead_a_shell_to_the_servers(environment: Environment, addresses: dict[str, str]) -> None:
    exports = omninode("stack", "status", "--export", environment=environment).stdout
    script = f'{exports}\nprintf "%s\\n" "$REDIS_URL" "$KAFKA_BOOTSTRAP_SERVERS" "$DATABASE_URL"'
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True, timeout=10)
    assert said.stdout.split() == list(addresses.values())


def test_the_exports_lead_a_shell_away_from_other_brokers(environment: Environment, started: Done) -> None:
    exports = omninode("stack", "status", "--export", environment=environment).stdout
    script = f"{exports}\nenv | grep ^CELERY_"
    foreign = dict.fromkeys(FOREIGN, "redis://elsewhere/0")
    said = subprocess.run(
        ["/bin/sh", "-c", script], env=os.environ | foreign, capture_output=True, check=False, timeout=10
    )
    assert said.stdout == b""


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "kept")
    refused = omninode("stack", "start", "--dir", folder, environment=_environment(tmp_path))
    assert refused.code == 1
    assert refused.stderr == f"omninode: the folder {folder} cannot be used: Not a directory\n"


def test_a_folder_belongs_to_one_stack_at_a_time(environment: Environment, started: Done, kept: str) -> None:
    refused = omninode("stack", "start", "--dir", kept, environment=environment)
    assert refused.code == 1
    assert "`omninode stack start` (process " in refused.stderr
    assert f"runs in {kept}: choose another folder" in refused.stderr


def test_two_stacks_at_once_do_not_collide(started: Done, second: Done) -> None:
    assert second.code == 0, second.stderr
    both = [json.loads(done.stdout) for done in (started, second)]
    assert len({port for addresses in both for port in _ports(addresses)}) == 6
    for colour, addresses in zip(("blue", "green"), both, strict=True):
        with redis.connect(addresses["redis_url"]) as client:
            assert client.set("colour", colour, get=True) is None


def test_a_stop_that_could_mean_several_asks_which(environment: Environment, second: Done, kept: str) -> None:
    unclear = omninode("stack", "stop", environment=environment)
    assert unclear.code == 2
    assert f"--dir {kept}   (omninode stack start)\n" in unclear.stderr


def test_without_maven_and_java_one_sentence_says_what_that_means(second: Done) -> None:
    [sentence] = [line for line in second.stderr.splitlines() if "mock" in line]
    assert "Java 17 or later and Maven could not be found" in sentence
    assert "is lost when it stops" in sentence
    servers = json.loads(second.stdout)["kafka_bootstrap_servers"]
    assert kafka.admin(servers).list_topics(timeout=5).brokers


def test_after_stop_nothing_is_left(alone: Environment) -> None:
    start = omninode("stack", "start", "--json", environment=alone)
    [stack] = _stacks(alone)
    everything = _processes(stack)
    assert len(everything) > 4

    assert omninode("stack", "stop", environment=alone).code == 0

    _wait_for_the_end_of(everything, 1.0)
    assert ports.are_free(_ports(json.loads(start.stdout)))
    assert _names_in(alone["TMPDIR"]) == []
    nothing = omninode("stack", "status", environment=alone)
    assert (nothing.code, nothing.stdout, nothing.stderr) == (1, "", "no stack runs\n")
    assert omninode("stack", "stop", environment=alone).code == 1


def test_after_a_kill_of_the_keeper_nothing_is_left(alone: Environment) -> None:
    omninode("stack", "start", environment=alone)
    [stack] = _stacks(alone)
    everything = _processes(stack)
    os.kill(stack["supervisor_pid"], signal.SIGKILL)
    _wait_for_the_end_of(everything)
    assert _names_in(alone["TMPDIR"]) == []


def test_what_is_left_when_the_guard_was_killed_too_is_recognised_and_stopped(
    alone: Environment, tmp_path: Path
) -> None:
    kept = str(tmp_path / "kept")
    omninode("stack", "start", "--dir", kept, environment=alone)
    [stack] = _stacks(alone)
    everything = _processes(stack)
    os.kill(stack["guard_pid"], signal.SIGSTOP)
    os.kill(stack["supervisor_pid"], signal.SIGKILL)
    os.kill(stack["guard_pid"], signal.SIGKILL)
    wait_until(lambda: not _runs(everything[0]), 5.0, "the keeper's end")

    again = omninode("stack", "start", "--dir", kept, environment=alone)
    assert again.code == 1
    assert "processes of a killed stack still use" in again.stderr

    assert omninode("stack", "stop", "--dir", kept, environment=alone).code == 0
    _wait_for_the_end_of(everything)
    assert omninode("stack", "status", "--dir", kept, environment=alone).code == 1


def test_a_kept_folder_gives_up_a_port_that_somebody_else_has_taken(
    alone: Environment, tmp_path: Path
) -> None:
    command = ("stack", "start", "--dir", str(tmp_path / "kept"), "--json")
    before = json.loads(omninode(*command, environment=alone).stdout)
    omninode("stack", "stop", environment=alone)
    with socket.create_server(("127.0.0.1", urlsplit(before["redis_url"]).port or 0)):
        after = json.loads(omninode(*command, environment=alone).stdout)
    assert after["redis_url"] != before["redis_url"]
    assert after["database_url"] == before["database_url"]


def test_a_maven_that_fails_is_an_error_and_no_reason_for_the_mock(tmp_path: Path) -> None:
    environment = _with_fake_tools(tmp_path, "echo 'Could not transfer artifact'; exit 1")
    start = omninode("stack", "start", environment=environment)
    assert start.code == 1
    assert "Maven could not fetch Apache Kafka 4.4.0" in start.stderr
    assert "Could not transfer artifact" in start.stderr
    assert "mock" not in start.stderr
    assert _names_in(environment["TMPDIR"]) == []
    assert _names_in(tmp_path / "cache/omninode/kafka-4.4.0") == ["lock"]


def test_a_kill_while_maven_fetches_leaves_no_half_of_a_cache(tmp_path: Path) -> None:
    environment = _with_fake_tools(tmp_path, "exec /bin/sleep 600")
    start = subprocess.Popen(
        [str(Path(sys.executable).parent / "omninode"), "stack", "start"],
        env=os.environ | environment,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: "maven" in (_stacks(environment) or [{"pids": {}}])[0]["pids"], 20.0, "Maven's start")
    [stack] = _stacks(environment)
    everything = _processes(stack)
    os.kill(stack["supervisor_pid"], signal.SIGKILL)
    _wait_for_the_end_of(everything)
    assert start.wait(5) == 1
    assert _names_in(environment["TMPDIR"]) == []
    assert _names_in(tmp_path / "cache/omninode/kafka-4.4.0") == ["lock"]


def test_json_and_exports_exclude_each_other() -> None:
    assert omninode("stack", "start", "--json", "--export").code == 2


@pytest.mark.kafka
def test_a_kept_folder_keeps_keys_rows_and_messages(tmp_path: Path) -> None:
    missing = find_tools().missing
    if missing:
        pytest.skip(f"{missing} could not be found")
    with running(tmp_path / "kept") as stack:
        assert stack.kafka_is_real
        with redis.connect(stack.redis_url) as client:
            client.set("colour", "blue")
        with psycopg.connect(stack.database_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE colours AS SELECT 'green' AS colour")
        administration = kafka.admin(stack.kafka_bootstrap_servers)
        administration.create_topics([NewTopic("colours", 3)])["colours"].result(10)

    with running(tmp_path / "kept") as again:
        assert again.environment() == stack.environment()
        with redis.connect(again.redis_url) as client:
            assert client.get("colour") == "blue"
        with psycopg.connect(again.database_url) as connection:
            assert connection.execute("SELECT colour FROM colours").fetchone() == ("green",)
        topics = kafka.admin(again.kafka_bootstrap_servers).list_topics(timeout=5).topics
        assert len(topics["colours"].partitions) == 3


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("nine years of work")

    done = omninode("stack", "start", "--dir", str(tmp_path))

    assert done.code == 1
    assert "holds other things than a stack: name a new folder, or an empty one" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
