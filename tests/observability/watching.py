"""A fleet that a Prometheus watches: what is sent to it, and which alerts are raised meanwhile."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from urllib.request import Request, urlopen

from celery import Celery
from prometheus_client.parser import text_string_to_metric_families

from tests.observability.servers import Prometheus
from tests.processes import start_module, wait_until

QUEUE = "watched"
PATIENCE_SECONDS = 60.0


class Watched:
    """A fleet, and the Prometheus that watches it."""

    def __init__(self, app: Celery, prometheus: Prometheus, exporter: Any, url: str, token: str) -> None:
        self.app = app
        self.prometheus = prometheus
        self.exporter = exporter
        self._url = url
        self._token = token

    def send(self, name: str, times: int = 1) -> None:
        """Enqueue this one of the watched tasks."""
        for _ in range(times):
            self.app.send_task(f"watched.{name}", queue=QUEUE)

    def firing(self) -> set[str]:
        """The alerts that are raised."""
        return {name for name, state in self.prometheus.alerts().items() if state == "firing"}

    def wait_for(self, names: set[str], meanwhile: Callable[[], object] = lambda: None) -> None:
        """Wait until these alerts have been raised; what happens meanwhile happens a few times a second."""
        missing = set(names)
        while_it_lasts = paced(meanwhile)

        def are_raised() -> bool:
            while_it_lasts()
            missing.difference_update(self.firing())
            return not missing

        try:
            wait_until(are_raised, PATIENCE_SECONDS, "alerts")
        finally:
            assert missing == set()

    def wait_for_end(self, names: set[str], meanwhile: Callable[[], object] = lambda: None) -> None:
        """Wait until none of these alerts is raised."""
        while_it_lasts = paced(meanwhile)

        def are_over() -> bool:
            while_it_lasts()
            return not self.firing() & names

        try:
            wait_until(are_over, PATIENCE_SECONDS, "the end of alerts")
        finally:
            assert self.firing() & names == set()

    def exported(self) -> dict[str, str]:
        """The types of metrics by their names."""
        asked = Request(f"{self._url}/metrics", headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310
        with urlopen(asked, timeout=10) as answer:  # noqa: S310 (our own)
            families = list(text_string_to_metric_families(answer.read().decode()))
        return {
            family.name + ("_total" if family.type == "counter" else ""): family.type for family in families
        }


def paced(do: Callable[[], object]) -> Callable[[], None]:
    """The same, and a moment in which somebody else may have the processor."""

    def paced() -> None:
        do()
        Event().wait(0.3)

    return paced


@contextmanager
def start_exporter(folder: Path) -> Iterator[tuple[Any, str]]:
    """One on a free port, once it answers; yields its process and its URL."""
    log_file = folder / "exporter.log"
    with log_file.open("wb") as log:
        process = start_module(
            "orchestrator.cli", "exporter", "--json", "--port", "0", environment={}, log=log
        )
    try:
        found: list[str] = []
        wait_until(lambda: _ready(log_file, found), 30.0, f"the exporter's start\n{log_file.read_text()}")
        yield process, found[0]
    finally:
        process.kill()
        process.wait(10)


def _ready(log_file: Path, found: list[str]) -> bool:
    found += re.findall(r'"url": "([^"]+)", "event": "exporter_ready"', log_file.read_text())
    return bool(found)
