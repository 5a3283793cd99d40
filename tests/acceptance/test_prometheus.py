"""Prometheus scrapes a real fleet's exporter: its alerts are raised and cleared, every panel has data."""

import json
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

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
from tests.observability.watching import PATIENCE_SECONDS, QUEUE, Watched, paced, start_exporter
from tests.processes import start_worker, wait_until
from tests.relays import start_relay

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
    "OmninodeErrorRateOfAll",
    "OmninodeLettersPerMinute",
}


@pytest.fixture(scope="module")
def settings(stack: Addresses, template: str) -> Iterator[Settings]:
    with place(stack, template) as made, pytest.MonkeyPatch.context() as patch:
        for name, value in _ENVIRONMENT.items():
            patch.setenv(name, value)
        yield made


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
            app.send_task("watched.succeed", queue=QUEUE)
        exporter, url = stack.enter_context(start_exporter(folder))
        jobs = {"scrape_configs": [_job(folder, url.removeprefix("http://"))]}
        prometheus = stack.enter_context(start_prometheus(rules=[folder / "rules.yml"], configuration=jobs))
        yield Watched(app, prometheus, exporter, url, _TOKEN)


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
    with start_worker("--queues", QUEUE, "--without-gossip"), start_relay():
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

    work_on = paced(work)

    def have_data() -> bool:
        work_on()
        missing[:] = [query for query in missing if not _has_data(working.prometheus, query)]
        return not missing

    try:
        wait_until(have_data, PATIENCE_SECONDS, "data")
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
