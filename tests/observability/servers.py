"""A real Prometheus and a real Alertmanager on free loopback ports, and what their HTTP interfaces say."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import yaml

from orchestrator.dev import ports
from tests.observability.programs import programs
from tests.processes import wait_until

_START_SECONDS = 30.0
_TRIES = 3
_OPENER = build_opener(ProxyHandler({}))
# Sends to nobody: for tests that ask Alertmanager itself.
SILENT = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}


@dataclass(frozen=True)
class _Server:
    """A running server: where it listens, and what it has logged."""

    url: str
    process: subprocess.Popen[bytes]
    log_file: Path

    def log(self) -> str:
        """Everything it has written so far."""
        return self.log_file.read_text(errors="replace")

    def get(self, path: str, **parameters: str) -> Any:
        """What it answers, from JSON."""
        with _OPENER.open(f"{self.url}{path}?{urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)


S = TypeVar("S", bound=_Server)
# From the folder of the server and the address that it is to listen on.
_Command = Callable[[Path, str], list[str]]


class Prometheus(_Server):
    """A running Prometheus."""

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The series and their values at this moment; a scalar is one without labels."""
        data = self.get("/api/v1/query", query=expression)["data"]
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(each["metric"], float(each["value"][1])) for each in data["result"]]

    def alerts(self) -> dict[str, str]:
        """`firing` or `pending`, by the names of alert rules; the first where there are both."""
        states: dict[str, str] = {}
        for alert in self.get("/api/v1/alerts")["data"]["alerts"]:
            name, state = alert["labels"]["alertname"], alert["state"]
            states[name] = "firing" if "firing" in {state, states.get(name)} else state
        return states

    def has_scraped(self) -> bool:
        """Whether every target was scraped, the last time without an error."""
        targets: list[dict[str, Any]] = self.get("/api/v1/targets")["data"]["activeTargets"]
        return bool(targets) and all(each["health"] == "up" for each in targets)


class Alertmanager(_Server):
    """A running Alertmanager."""

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that it has, as its interface tells them (`labels`, `annotations`, `status`, …)."""
        alerts: list[dict[str, Any]] = self.get("/api/v2/alerts")
        return alerts


@contextmanager
def start_prometheus(
    scraped: Sequence[str] = (),
    *,
    rules: Sequence[Path] = (),
    alertmanager: Alertmanager | None = None,
    configuration: Mapping[str, Any] | None = None,
) -> Iterator[Prometheus]:
    """One that scrapes these (`host:port`) every second as the job `omninode`, and judges rules as often.

    `configuration` replaces or adds to the parts of its configuration file, by name.
    """
    written: dict[str, Any] = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [{"job_name": "omninode", "static_configs": [{"targets": list(scraped)}]}],
        "rule_files": [str(path) for path in rules],
    }
    if alertmanager:
        targets = [{"targets": [alertmanager.url.removeprefix("http://")]}]
        written["alerting"] = {"alertmanagers": [{"static_configs": targets}]}
    program = programs().prometheus

    def command(folder: Path, address: str) -> list[str]:
        (folder / "prometheus.yml").write_text(yaml.safe_dump(written | dict(configuration or {})))
        return [
            str(program),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--web.enable-lifecycle",
            # What was sent before it knew of an Alertmanager, which takes it five seconds, is sent again.
            "--rules.alert.resend-delay=1s",
            "--log.level=warn",
        ]

    with _started(Prometheus, command) as server:
        yield server


@contextmanager
def start_alertmanager(configuration: Mapping[str, Any] | None = None) -> Iterator[Alertmanager]:
    """One with this configuration; without one it keeps its alerts to itself."""
    found = programs()

    def command(folder: Path, address: str) -> list[str]:
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(dict(configuration or SILENT)))
        return [
            str(found.alertmanager),
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={address}",
            # No cluster: it would listen on all interfaces.
            "--cluster.listen-address=",
            "--log.level=warn",
        ]

    with _started(Alertmanager, command, found.alertmanager_folder) as server:
        yield server


@contextmanager
def _started(kind: type[S], command: _Command, within: Path | None = None) -> Iterator[S]:
    with TemporaryDirectory(prefix="omninode-test-", ignore_cleanup_errors=True) as folder:
        server = _start(kind, command, Path(folder), within)
        try:
            yield server
        finally:
            server.process.terminate()
            try:
                server.process.wait(10)
            except subprocess.TimeoutExpired:
                server.process.kill()
                server.process.wait()


def _start(kind: type[S], command: _Command, folder: Path, within: Path | None) -> S:
    """Another process may be quicker to take the port: then on another one."""
    for _ in range(_TRIES):
        address = f"{ports.LOOPBACK}:{ports.free(1)[0]}"
        log_file = folder / "log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                command(folder, address),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=within or folder,
            )
        server = kind(f"http://{address}", process, log_file)
        _await(server)
        if process.poll() is None:
            return server
        if "address already in use" not in server.log():
            break
    raise AssertionError(f"{kind.__name__} did not start:\n{server.log()}")


def _await(server: _Server) -> None:
    """Wait until it answers, or has ended."""
    try:
        wait_until(lambda: server.process.poll() is not None or _is_ready(server), _START_SECONDS, server.url)
    except BaseException:
        server.process.kill()
        server.process.wait()
        raise


def _is_ready(server: _Server) -> bool:
    try:
        with _OPENER.open(f"{server.url}/-/ready", timeout=2):
            return True
    except (HTTPError, URLError, ConnectionError, TimeoutError):
        return False
