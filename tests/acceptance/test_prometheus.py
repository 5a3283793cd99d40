"""Prometheus scrapes a real fleet's exporter: its alerts are raised and cleared, every panel has data."""

import json
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml
from celery import Celery
from prometheus_client.parser import text_string_to_metric_families

from orchestrator import redis
from orchestrator.beat import Pulse
from orchestrator.dev.stack import Addresses
from orchestrator.settings import Settings
from tests.acceptance import watched_tasks
from tests.acceptance.shared_place import app_in, place
from tests.commands import omninode
from tests.observability.expressions import (
    CONFIGURATION,
    Query,
    faster_rules,
    metric_names,
    queries,
    rules,
    substituted,
)
from tests.observability.programs import programs
from tests.observability.servers import Prometheus, start_prometheus
from tests.processes import start_module, start_worker, wait_until
from tests.relays import start_relay

_QUEUE = "watched"
_PATIENCE_SECONDS = 60.0
_TOKEN = secrets.token_hex(16)
_ENVIRONMENT = {
    "OMNINODE_EXPORTER_TOKEN": _TOKEN,
    "OMNINODE_IMPORTS": watched_tasks.__name__,
    "OMNINODE_BREAKERS": json.dumps({"*": {"failure_threshold": 1, "open_seconds": 60}}),
    "KAFKA_ENABLE_DLQ": "false",
}
# Some of these are raised by what the later ones come from.
_WITHOUT_ANYBODY = {
    "OmninodeBeatLate",
    "OmninodeHealthCritical",
    "OmninodeNoRelay",
    "OmninodeNoWorkers",
    "OmninodeQueueUnserved",
}
_WITH_FAILURES = {
    "OmninodeBudgetBurnsFast",
    "OmninodeErrorRate",
    "OmninodeErrorRateCritical",
    "OmninodeLettersPerMinute",
}


class Watched:
    """A fleet, and the Prometheus that watches it."""

    def __init__(self, app: Celery, prometheus: Prometheus, exporter: Any, url: str) -> None:
        self.app = app
        self.prometheus = prometheus
        self.exporter = exporter
        self.exporter_url = url

    def send(self, name: str, times: int = 1) -> None:
        for _ in range(times):
            self.app.send_task(f"watched.{name}", queue=_QUEUE)

    def firing(self) -> set[str]:
        """The alerts that are raised."""
        return {name for name, state in self.prometheus.alerts().items() if state == "firing"}

    def wait_for(self, names: set[str], meanwhile: Callable[[], object] = lambda: None) -> None:
        """Wait until these alerts have been raised; what happens meanwhile happens a few times a second."""
        missing = set(names)
        while_it_lasts = _paced(meanwhile)

        def are_raised() -> bool:
            while_it_lasts()
            missing.difference_update(self.firing())
            return not missing

        try:
            wait_until(are_raised, _PATIENCE_SECONDS, "alerts")
        finally:
            assert missing == set()

    def wait_for_end(self, names: set[str], meanwhile: Callable[[], object] = lambda: None) -> None:
        """Wait until none of these alerts is raised."""
        while_it_lasts = _paced(meanwhile)

        def are_over() -> bool:
            while_it_lasts()
            return not self.firing() & names

        try:
            wait_until(are_over, _PATIENCE_SECONDS, "the end of alerts")
        finally:
            assert self.firing() & names == set()

    def exported(self) -> dict[str, str]:
        """The types of metrics by their names."""
        asked = Request(f"{self.exporter_url}/metrics", headers={"Authorization": f"Bearer {_TOKEN}"})  # noqa: S310
        with urlopen(asked, timeout=10) as answer:  # noqa: S310 (our own)
            families = list(text_string_to_metric_families(answer.read().decode()))
        return {
            family.name + ("_total" if family.type == "counter" else ""): family.type for family in families
        }


def _paced(do: Callable[[], object]) -> Callable[[], None]:
    def paced() -> None:
        do()
        Event().wait(0.3)

    return paced


@pytest.fixture(scope="module")
def settings(stack: Addresses, template: str) -> Iterator[Settings]:
    with place(stack, template) as made, pytest.MonkeyPatch.context() as patch:
        for name, value in _ENVIRONMENT.items():
            patch.setenv(name, value)
        yield made


@contextmanager
def _exporter(folder: Path) -> Iterator[tuple[Any, str]]:
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


@pytest.fixture(scope="module")
def watched(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Nobody works yet; ten tasks wait."""
    programs()
    folder = tmp_path_factory.mktemp("watched")
    (folder / "rules.yml").write_text(faster_rules())
    with ExitStack() as stack:
        app = stack.enter_context(app_in(settings))
        # A queue that nobody knows is looked for once a minute: here it is there before.
        for _ in range(10):
            app.send_task("watched.succeed", queue=_QUEUE)
        exporter, url = stack.enter_context(_exporter(folder))
        jobs = {"scrape_configs": [_job(folder, url.removeprefix("http://"))]}
        prometheus = stack.enter_context(start_prometheus(rules=[folder / "rules.yml"], configuration=jobs))
        yield Watched(app, prometheus, exporter, url)


def _job(folder: Path, address: str) -> dict[str, Any]:
    """That of our own configuration, with another address and another file for the token."""
    job: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text())["scrape_configs"][0]
    (folder / "token").write_text(_TOKEN)
    job["authorization"] = dict.fromkeys(job["authorization"], str(folder / "token"))
    return job | {"static_configs": [{"targets": [address]}]}


@pytest.fixture(scope="module")
def alone(watched: Watched) -> None:
    """What is raised as long as there is nothing but tasks has been raised."""
    watched.wait_for(_WITHOUT_ANYBODY)


@pytest.fixture(scope="module")
def working(watched: Watched, alone: None) -> Iterator[Watched]:
    """A worker, a relay and the heartbeat of a beat are there."""
    with start_worker("--queues", _QUEUE, "--without-gossip"), start_relay():
        with redis.connect(os.environ["REDIS_URL"]) as client:
            Pulse(client, "beat").start()
        yield watched


@pytest.fixture(scope="module")
def failing(working: Watched) -> None:
    """Tasks end in all the ways in which they can, and what is raised by that has been raised."""
    for name in ("heal", "hang", "save", "die", "trip", "succeed"):
        working.send(name)
    working.wait_for(_WITH_FAILURES, lambda: working.send("fail", 3))


def test_those_who_are_missing_are_told_of_until_they_are_there(working: Watched) -> None:
    working.wait_for_end(_WITHOUT_ANYBODY)


@pytest.mark.usefixtures("failing")
def test_every_panel_and_every_recorded_series_has_data(working: Watched) -> None:
    recorded = [rule["record"] for rule in rules() if "record" in rule]
    missing = [*queries(), *(Query("recorded", name, frozenset()) for name in recorded)]
    replayed = omninode(
        *("dead-letters", "replay", "--reason", "exception", "--limit", "1", "--why", "a test", "--yes")
    )
    assert replayed.code == 0, replayed.stderr

    def work() -> None:
        for name in ("succeed", "heal", "fail", "save"):
            working.send(name)

    work_on = _paced(work)

    def have_data() -> bool:
        work_on()
        missing[:] = [query for query in missing if not _has_data(working.prometheus, query)]
        return not missing

    try:
        wait_until(have_data, _PATIENCE_SECONDS, "data")
    finally:
        assert [query.expression for query in missing] == []


def _has_data(prometheus: Prometheus, query: Query) -> bool:
    """Whether there is any; what the legend names is a label of some of it, for an empty one is left out."""
    series = prometheus.query(query.expression)
    return bool(series) and set().union(*(labels for labels, _ in series)) >= query.labels


@pytest.mark.usefixtures("failing")
def test_what_expressions_are_of_is_exported_or_recorded_and_what_is_exported_is_used(
    working: Watched,
) -> None:
    exported = working.exported()
    samples = set(exported)
    for name, kind in exported.items():
        if kind == "histogram":
            samples |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    expressions = [*(rule["expr"] for rule in rules()), *(query.expression for query in queries())]
    used = set().union(*(metric_names(expression) for expression in expressions))

    assert used - samples - recorded == {"ALERTS", "up", "scrape_duration_seconds"}
    short = {re.sub(r"_(bucket|sum|count)$", "", name) for name in used}
    assert {name for name in exported if name.startswith("omninode_")} - used - short == set()


@pytest.mark.usefixtures("failing")
def test_failures_are_told_of_until_there_are_no_more(working: Watched) -> None:
    working.wait_for_end(_WITH_FAILURES, lambda: working.send("succeed", 5))


def test_an_exporter_that_hangs_is_told_of_until_it_goes_on(working: Watched) -> None:
    os.kill(working.exporter.pid, signal.SIGSTOP)
    try:
        working.wait_for({"OmninodeExporterDown"})
    finally:
        os.kill(working.exporter.pid, signal.SIGCONT)
    working.wait_for_end({"OmninodeExporterDown"})


def test_promtool_accepts_what_the_dashboard_asks_for(tmp_path: Path) -> None:
    asked = [{"record": f"query:{number}", "expr": each.expression} for number, each in enumerate(queries())]
    (tmp_path / "queries.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": asked}]}))
    command = [str(programs().promtool), "check", "rules", str(tmp_path / "queries.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert substituted("sum(rate(a[$__rate_interval]))") == "sum(rate(a[5s]))"
