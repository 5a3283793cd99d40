"""Real exporters as processes, and what they answer."""

import http.client
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from tests.processes import start_module, wait_until


@dataclass(frozen=True)
class Answer:
    """What was answered: the status, the headers (by names in small letters) and the body."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        """The body, from JSON."""
        return json.loads(self.text)


@dataclass(frozen=True)
class Exporter:
    """A running one: its process, its port on loopback and what it has logged."""

    process: Any
    log_file: Path

    @property
    def port(self) -> int:
        """Where it listens, once it says so; 0 before."""
        assert self.process.poll() is None, self.log_file.read_text()
        said = re.search(r'"url": "([^"]+)"', self.log_file.read_text())
        return (urlsplit(said[1]).port or 0) if said else 0

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """What it answers; headers by their names with `_` instead of `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=named)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read().decode())
        finally:
            connection.close()

    def metrics(self) -> str:
        """The text of its metrics."""
        return self.ask("/metrics").text


@contextmanager
def start_exporter(*options: str, environment: Mapping[str, str] | None = None) -> Iterator[Exporter]:
    """Start one on a free port, wait until it answers, and end it afterwards."""
    with TemporaryDirectory(prefix="omninode-test-") as folder:
        log_file = Path(folder) / "exporter.log"
        with log_file.open("wb") as log:
            process = start_module(
                "orchestrator.cli",
                *("exporter", "--port", "0", "--json", *options),
                environment=dict(environment or {}),
                log=log,
            )
        exporter = Exporter(process, log_file)
        try:
            wait_until(lambda: exporter.port, 30.0, "the exporter's start")
            yield exporter
        finally:
            process.kill()
            process.wait(5)
