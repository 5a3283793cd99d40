"""A running exporter says of a fleet that has worked what the product's document promises, name by name."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from prometheus_client.parser import text_string_to_metric_families

from monitoring.performance import PerformanceMonitor
from monitoring.rollup import process
from orchestrator import broker
from orchestrator.alerts import changing
from orchestrator.alerts.record import Alert
from orchestrator.alerts.store import Store
from orchestrator.breaker import circuit
from orchestrator.errors import TimeoutExceeded
from orchestrator.settings import Settings
from orchestrator.timeouts import TimeoutConfig, TimeoutManager
from tests.exporters import Exporter, start_exporter
from tests.patterns import document, exposition
from tests.processes import Worker, start_worker, wait_until

_IMPORTS = {"OMNINODE_IMPORTS": "tests.acceptance.letter_tasks,tests.acceptance.awkward_tasks"}
_AWKWARD = 'say "no" \\ to\nnew lines'
_LONG = "x" * 10_000


@pytest.fixture(scope="module")
def worker(server: Any) -> Iterator[Worker]:
    with start_worker("--queues", "celery", environment=_IMPORTS) as started:
        yield started


@pytest.fixture(scope="module")
def exporter(app: Celery, worker: Worker) -> Iterator[Exporter]:
    with start_exporter() as started:
        for task, arguments in (
            ("awkward.good", ()),
            ("letters.exception", (1,)),
            ("letters.retries_exhausted", ()),
        ):
            app.send_task(task, arguments, queue="celery")
        asyncio.run(_happen_here())
        process.flush()
        wait_until(lambda: _told(started.metrics()), what="the counts")
        yield started


async def _happen_here() -> None:
    monitor = PerformanceMonitor()

    @circuit(failure_threshold=1, recovery_timeout=30, name="an exporter's")
    async def order() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await order()
    with pytest.raises(TimeoutExceeded):
        async with TimeoutManager(TimeoutConfig(grace_period=0)).timeout_context("order", 0.02):
            await asyncio.sleep(60)
    monitor.record("kafka_client", _AWKWARD, 150.0, True)
    monitor.record(_LONG, "publish_event", 150.0, False, error_type=_AWKWARD)


def _told(text: str) -> bool:
    letters = exposition.values(text, "omninode_dead_letter_messages_total")
    requests = exposition.values(text, "omninode_requests_total")
    return sum(count for _, count in letters) == 2 and any(
        has["component"] == "awkward.good" for has, _ in requests
    )


@pytest.mark.parametrize("promised", document.metrics())
def test_each_metric_of_the_document_is_exported_with_its_labels(exporter: Exporter, promised: str) -> None:
    name, _, labels = promised.rstrip("}").partition("{")

    assert exposition.labels_of(exporter.metrics(), name) == set(labels.split(", ") if labels else [])


def test_the_dashboard_has_the_keys_types_and_nesting_of_the_document(exporter: Exporter) -> None:
    promised = json.loads(document.sample("Dashboard Data"))
    answer = exporter.ask("/dashboard")

    assert answer.status == 200
    shown = answer.json()
    assert shown["system_health"]["status"] in promised["system_health"]["status"].split("|")
    promised["system_health"]["status"] = "healthy"
    _assert_has(shown, promised)


def _assert_has(shown: Any, promised: Any) -> None:
    if not isinstance(promised, dict):
        kinds = (int, float) if isinstance(promised, float) else type(promised)
        assert isinstance(shown, kinds), (shown, promised)
        return
    assert set(promised) <= set(shown)
    for key, inner in promised.items():
        _assert_has(shown[key], inner)


def test_outcomes_of_tasks_are_counted_as_their_settlements_have(exporter: Exporter) -> None:
    text = exporter.metrics()

    def count(task: str, outcome: str) -> float:
        found = exposition.values(text, "omninode_task_outcomes_total")
        return sum(value for has, value in found if has["task"] == task and has["outcome"] == outcome)

    assert count("awkward.good", "succeeded") == 1
    assert count("letters.exception", "dead_lettered") == 1
    assert count("letters.retries_exhausted", "retried") == 2
    assert exposition.value(text, "omninode_retry_attempts_total", component="letters.retries_exhausted") == 2
    waits = exposition.values(text, "omninode_queue_wait_seconds_count")
    assert sum(value for has, value in waits if has == {"queue": "celery", "task": "awkward.good"}) == 1


def test_labels_of_quotes_and_backslashes_come_through_whole_newlines_escaped_and_long_ones_cut(
    exporter: Exporter,
) -> None:
    requests = exposition.values(exporter.metrics(), "omninode_requests_total")
    operations = {has["operation"] for has, _ in requests}
    long = [has["component"] for has, _ in requests if has["component"].startswith("xxx")]

    # A newline would end the line where a terminal shows it: it is counted as it is written in a literal.
    assert _AWKWARD.replace("\n", r"\n") in operations
    assert [len(name) for name in long] == [200]


def test_the_dashboard_of_another_process_shows_the_same(exporter: Exporter) -> None:
    ours = PerformanceMonitor(listens=False).dashboard()
    theirs = exporter.ask("/dashboard").json()

    for part in ("resilience_metrics", "component_performance"):
        assert theirs[part] == ours[part]


def test_the_fleet_is_told_as_it_is(exporter: Exporter, worker: Worker) -> None:
    text = exporter.metrics()

    assert exposition.value(text, "omninode_workers") == 1
    assert exposition.value(text, "omninode_queue_workers", queue="celery") == 1
    assert exposition.value(text, "omninode_breaker_state", breaker="an exporter's") == 2
    known = {has["what"]: value for has, value in exposition.values(text, "omninode_known")}
    assert set(known.values()) == {1.0}
    # Nobody has ever seen a beat here: its age is unknown, and not 0.
    assert exposition.values(text, "omninode_beat_age_seconds") == []


def test_an_alert_is_told_until_somebody_silences_it(exporter: Exporter, environment: Settings) -> None:
    def alerts() -> dict[str, str]:
        found = exposition.values(exporter.metrics(), "omninode_alerts")
        return {has["alert"]: has["severity"] for has, _ in found}

    with broker.client(environment, decode=True) as client:
        store = Store(client)
        standing = store.read()
        store.apply(standing, [changing.found(standing, Alert("outbox_waits", "warning", "Letters wait."))])
        wait_until(lambda: alerts().get("outbox_waits") == "warning", what="the alert")
        assert "Letters wait." in [each["message"] for each in exporter.ask("/dashboard").json()["alerts"]]
        store.silence("outbox_*", standing.now + timedelta(hours=1), "ann", "known")
        wait_until(lambda: "outbox_waits" not in alerts(), what="the silence")


def test_health_is_that_of_the_whole_fleet(exporter: Exporter) -> None:
    answer = exporter.ask("/health")

    told = answer.json()
    assert answer.status == (503 if told["status"] == "critical" else 200)
    assert any("beat" in reason for reason in told["reasons"])
    assert told["unknown"] == {}


def test_the_page_of_metrics_names_all_that_are_exported(exporter: Exporter) -> None:
    text = exporter.metrics()
    exported = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in text_string_to_metric_families(text)
    }

    assert exported == set(_listed())


def test_the_page_of_metrics_has_the_labels_that_are_exported(exporter: Exporter) -> None:
    found = text_string_to_metric_families(exporter.metrics())
    listed = _listed()

    for family in found:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == listed[name], name


def _listed() -> dict[str, set[str]]:
    """The metrics of the page with their labels."""
    rows = [line.split("|") for line in _PAGE.read_text().splitlines() if line.startswith("| `omninode_")]
    return {row[1].strip(" `"): set(row[3].replace("`", "").replace(",", " ").split()) for row in rows}


_PAGE = Path(__file__).parents[3] / "docs/reference/metrics.md"
