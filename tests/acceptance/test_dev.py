import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from celery import Celery

from orchestrator.dev import ports, state
from orchestrator.dev.environment import FOREIGN
from orchestrator.dev.servers.kafka_cache import VERSION
from tests.commands import omninode
from tests.processes import wait_until

_OMNINODE = str(Path(sys.executable).parent / "omninode")
_READY_SECONDS = 60.0
_PROCESSES = ("beat", "exporter", "flower", "kafka", "postgres", "redis", "relay", "worker")
_BUSY = """
import signal
from pathlib import Path
from celery import shared_task

@shared_task(name="busy")
def busy():
    Path("started").touch()
    signal.pause()
"""


@dataclass(frozen=True)
class Dev:
    """A running `omninode dev --json`, in a temporary and a working folder of its own."""

    process: subprocess.Popen[bytes]
    folder: Path
    out: Path
    err: Path

    def tells(self, what: str) -> bool:
        assert self.process.poll() is None, self.err.read_text()
        return what in self.err.read_text()

    def ready(self) -> dict[str, Any]:
        """Wait until it is ready; what it printed then."""
        wait_until(lambda: self.tells("") and self.out.read_text().endswith("\n"), _READY_SECONDS, "ready")
        told: dict[str, Any] = json.loads(self.out.read_text())
        return told

    def processes(self) -> list[psutil.Process]:
        """Every process on this machine that has to do with its folder, however it came to be."""
        return [each for each in psutil.process_iter() if self._owns(each)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            traces = [process.cwd(), *process.cmdline(), *process.environ().values()]
        except psutil.Error:
            return False
        return any(str(self.folder) in trace for trace in traces)


@contextmanager
def _started(folder: Path, *options: str, **variables: str) -> Iterator[Dev]:
    (folder / "tmp").mkdir(parents=True)
    (folder / "busy_tasks.py").write_text(_BUSY)
    environment = os.environ | {"TMPDIR": str(folder / "tmp"), "OMNINODE_IMPORTS": "busy_tasks"}
    environment |= variables
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            [_OMNINODE, "dev", "--json", *options], cwd=folder, env=environment, stdout=out, stderr=err
        )
    started = Dev(process, folder, folder / "out", folder / "err")
    try:
        yield started
    finally:
        process.terminate()
        process.wait(10)


def _assert_nothing_is_left(dev: Dev, known: list[psutil.Process], within_seconds: float = 5.0) -> None:
    wait_until(
        lambda: not any(map(_runs, known + dev.processes())), within_seconds, f"the end of {dev.processes()}"
    )
    assert list((dev.folder / "tmp").glob("omninode-*")) == []


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _ports(told: dict[str, Any]) -> list[int]:
    urls = [
        told["redis_url"],
        told["database_url"],
        told["flower_url"],
        told["exporter_url"],
        f"kafka://{told['kafka_bootstrap_servers']}",
    ]
    return [port for url in urls if (port := urlsplit(url).port)]


def _fill_the_cache_of_kafka(tmp_path_factory: pytest.TempPathFactory) -> None:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    # Java keeps its classes at the end of the first start ever.
    if any((caches / "omninode").glob(f"kafka-{VERSION}/java-*/classes.jsa")):
        return
    folder = tmp_path_factory.mktemp("first")
    omninode("stack", "start", environment={"TMPDIR": str(folder)}, within_seconds=300)
    omninode("stack", "stop", environment={"TMPDIR": str(folder)})


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    _fill_the_cache_of_kafka(tmp_path_factory)
    # Were one of these used, no worker would answer.
    foreign = dict.fromkeys(FOREIGN, "redis://127.0.0.1:1/0")
    with _started(tmp_path_factory.mktemp("dev") / "dev", **foreign) as started:
        yield started


def test_the_second_start_is_ready_within_fifteen_seconds(dev: Dev) -> None:
    dev.ready()
    began = psutil.Process(dev.process.pid).create_time()
    assert dev.out.stat().st_mtime - began < 15.0


def test_json_prints_addresses_and_processes_alone(dev: Dev) -> None:
    told = dev.ready()
    assert sorted(told["pids"]) == sorted(_PROCESSES)
    assert all(psutil.pid_exists(pid) for pid in told["pids"].values())
    assert len(_ports(told)) == len(set(_ports(told))) == 5


def test_the_worker_answers_at_the_printed_address(dev: Dev) -> None:
    with Celery(broker=dev.ready()["redis_url"], set_as_current=False) as app:
        assert len(app.control.ping(timeout=2.0) or []) == 1


def test_a_broker_of_the_users_environment_is_not_used(dev: Dev) -> None:
    assert dev.ready()["pids"]["worker"]
    assert all(dev.tells(f"{name} is not passed on") for name in FOREIGN)


def test_flower_answers_at_the_printed_address(dev: Dev) -> None:
    address = urlsplit(dev.ready()["flower_url"])
    connection = HTTPConnection(str(address.hostname), address.port, timeout=5)
    connection.request("GET", "/workers?json=1")
    assert connection.getresponse().status == 200
    connection.close()


def test_the_exporter_answers_at_the_printed_address(dev: Dev) -> None:
    address = urlsplit(dev.ready()["exporter_url"])
    connection = HTTPConnection(str(address.hostname), address.port, timeout=5)
    connection.request("GET", "/metrics")
    assert b"omninode_system_health_status" in connection.getresponse().read()
    connection.close()


def test_a_task_that_nobody_knows_is_found_among_the_dead_letters(dev: Dev) -> None:
    told = dev.ready()
    addresses = {name: told[name] for name in ("redis_url", "kafka_bootstrap_servers", "database_url")}
    environment = {name.upper(): str(address) for name, address in addresses.items()}
    with Celery(broker=told["redis_url"], set_as_current=False) as app:
        app.send_task("nobody.moves", queue="celery")

    def found() -> bool:
        listed = omninode("dead-letters", "list", "--task", "nobody.moves", "--json", environment=environment)
        return len(json.loads(listed.stdout)["letters"]) == 1

    wait_until(found, 20.0, "the letter")


def test_each_line_has_the_name_of_its_process(dev: Dev) -> None:
    with Celery(broker=dev.ready()["redis_url"], set_as_current=False) as app:
        app.send_task("nobody.knows", queue="celery")
    wait_until(lambda: "worker   | " in dev.err.read_text() and dev.tells("nobody.knows"), 10.0, "the line")
    assert "\x1b[" not in dev.err.read_text()


def test_status_leads_another_terminal_to_it(dev: Dev) -> None:
    told = dev.ready()
    exports = omninode("stack", "status", "--export", environment={"TMPDIR": str(dev.folder / "tmp")})
    assert f"export REDIS_URL={told['redis_url']}\n" in exports.stdout
    assert f"export OMNINODE_EXPORTER_PORT={urlsplit(told['exporter_url']).port}\n" in exports.stdout


def test_a_check_finds_the_exporter_of_the_stack(dev: Dev) -> None:
    url = dev.ready()["exporter_url"]
    where = {"TMPDIR": str(dev.folder / "tmp"), "OMNINODE_EXPORTER_PORT": "1"}
    checked = omninode("exporter", "--check", environment=where)
    told = omninode("exporter", "--check", "--port", "1", environment=where)

    assert (checked.code, checked.stdout) == (0, f"ready ({url}, of `omninode dev`)\n")
    assert (told.code, told.stderr.startswith("no exporter answers on 127.0.0.1 port 1: ")) == (1, True)


def test_a_server_that_dies_is_named_with_its_last_lines_and_the_stack_stops(dev: Dev) -> None:
    """The last test that needs what all have shared."""
    told = dev.ready()
    known = dev.processes()
    os.kill(told["pids"]["redis"], signal.SIGKILL)
    assert dev.process.wait(5) == 1
    assert "redis was killed by SIGKILL; the last it said:" in dev.err.read_text()
    assert "Ready to accept connections" in dev.err.read_text()
    _assert_nothing_is_left(dev, known, 1.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_five_seconds_after_a_signal_nothing_is_left_even_of_a_busy_worker(
    tmp_path: Path, number: signal.Signals
) -> None:
    with _started(tmp_path / "dev", "--dir", "kept", "--concurrency", "1") as dev:
        told = dev.ready()
        with Celery(broker=told["redis_url"], set_as_current=False) as app:
            app.send_task("busy", queue="celery")
        wait_until((dev.folder / "started").exists, 10.0, "the task's start")
        known = dev.processes()
        assert {*told["pids"].values(), dev.process.pid} <= {process.pid for process in known}

        dev.process.send_signal(number)

        _assert_nothing_is_left(dev, known)
        assert ports.are_free(_ports(told))
        assert not state.is_locked(dev.folder / "kept")
        assert not (dev.folder / "kept" / state.STATE).exists()
        assert dev.process.wait(1) == (-signal.SIGKILL if number == signal.SIGKILL else 0)


@pytest.mark.parametrize("moment", ["redis     ready", "worker    is being started"])
def test_a_kill_during_the_start_leaves_nothing(tmp_path: Path, moment: str) -> None:
    with _started(tmp_path / "dev") as dev:
        wait_until(lambda: dev.tells(moment), _READY_SECONDS, moment)
        known = dev.processes()
        dev.process.kill()
        _assert_nothing_is_left(dev, known)


def test_a_kill_at_the_very_first_trace_leaves_nothing(tmp_path: Path) -> None:
    with _started(tmp_path / "dev") as dev:
        wait_until(lambda: list((dev.folder / "tmp").iterdir()), _READY_SECONDS, "its folder")
        dev.process.kill()
        _assert_nothing_is_left(dev, dev.processes())


def test_a_module_that_cannot_be_found_is_named_before_anything_is_started(tmp_path: Path) -> None:
    environment = {"TMPDIR": str(tmp_path), "OMNINODE_IMPORTS": "no_such_module.tasks"}
    refused = omninode("dev", environment=environment, starts_nothing=True)
    assert refused.code == 2
    assert refused.stderr == (
        "omninode: OMNINODE_IMPORTS names no_such_module.tasks, which cannot be found here: "
        "No module named 'no_such_module'\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_wrong_settings_are_named_before_anything_is_started(tmp_path: Path) -> None:
    environment = {"TMPDIR": str(tmp_path), "KAFKA_MAX_RETRIES": "many"}
    refused = omninode("dev", environment=environment, starts_nothing=True)
    assert refused.code == 2
    assert "KAFKA_MAX_RETRIES=many" in refused.stderr
    assert list(tmp_path.iterdir()) == []
