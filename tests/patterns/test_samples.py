"""Each code block of the document runs as it is written there, and does what it says."""

import asyncio
import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from monitoring.performance import PerformanceMonitor
from orchestrator.dev.stack import Addresses
from orchestrator.errors import BreakerOpen
from orchestrator.kafka import KafkaClient
from orchestrator.settings import Settings
from orchestrator.timeouts import TimeoutConfig, TimeoutManager
from tests.pages import ROOT
from tests.patterns import document, exposition, shown
from tests.patterns.conftest import Away
from tests.patterns.proofs import proves
from tests.patterns.web import Web


@pytest.fixture(autouse=True)
def _servers(environment: Settings) -> None:
    """The samples use them all."""


def _run(item: str, **left_open: Any) -> dict[str, Any]:
    return asyncio.run(shown.run(item.removeprefix("sample: "), **left_open))


@proves("sample: 1. Circuit Breaker Pattern")
def test_what_the_circuit_protects_is_not_called_after_three_failures(item: str) -> None:
    protected_operation = _run(item)["protected_operation"]

    async def main() -> None:
        await protected_operation(object())
        for _ in range(3):
            with pytest.raises(TypeError):
                await protected_operation()
        with pytest.raises(BreakerOpen):
            await protected_operation(object())

    asyncio.run(main())


@proves("sample: 3. Timeout Management")
def test_a_long_operation_runs_in_a_context_that_is_listed_meanwhile(item: str, web: Web) -> None:
    manager = TimeoutManager()

    async def long_running_operation() -> Any:
        running = await manager.get_active_operations()
        return [each["name"] for each in running], await web.call("done")

    names = _run(item, timeout_manager=manager, long_running_operation=long_running_operation)

    assert names["result"] == (["operation_name"], '["done"]')


@proves("sample: 5. Performance Monitoring and Alerting")
def test_what_is_recorded_is_counted(item: str) -> None:
    monitor = PerformanceMonitor()

    _run(item, performance_monitor=monitor)

    shown_then = asyncio.run(monitor.get_performance_dashboard())
    assert shown_then["component_performance"]["kafka_client"]["average_duration_ms"] == pytest.approx(150)
    assert shown_then["resilience_metrics"]["circuit_breaker_trips"] == 1


@proves("sample: Environment Variables")
def test_a_shell_takes_the_variables_and_they_are_the_settings(item: str) -> None:
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    script = f"set -aeu\n{document.sample('Environment Variables')}\nexec '{sys.executable}' -c '{show}'"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env={})
    exported = json.loads(done.stdout)
    assert {name: exported[name] for name in document.variables()} == document.variables()

    with pytest.MonkeyPatch.context() as patch:
        for name in document.variables():
            patch.setenv(name, exported[name])
        settings = Settings()
    assert (settings.kafka_enable_dlq, settings.kafka_max_retries) == (True, 3)
    assert (settings.kafka_timeout_seconds, settings.kafka_dlq_suffix) == (30.0, ".dlq")
    assert (settings.timeout_operation_default, settings.timeout_global_default) == (300.0, 3600.0)
    assert (settings.timeout_grace_period, settings.timeout_warning_threshold) == (30.0, 0.8)
    assert (settings.perf_monitor_retention_hours, settings.perf_monitor_sampling_interval) == (24.0, 60.0)
    assert (settings.perf_monitor_error_threshold, settings.perf_monitor_response_threshold) == (5.0, 5000.0)


@proves("sample: Programmatic Configuration")
def test_the_three_are_made_of_their_arguments(item: str) -> None:
    names = _run(item)

    assert isinstance(names["kafka_client"], KafkaClient)
    assert names["timeout_config"] == TimeoutConfig(300, 3600, 30, 0.8, True)
    assert isinstance(names["performance_monitor"], PerformanceMonitor)


@proves("sample: Prometheus Metrics")
def test_all_metrics_are_exported_with_exactly_their_labels(item: str) -> None:
    async def main() -> str:
        monitor = PerformanceMonitor()
        await monitor.record_performance_metric("shop", "order", 1.0, success=False, error_type="KeyError")
        for event in ("circuit_breaker_trip", "timeout_failure", "retry_attempt", "dead_letter_message"):
            await monitor.record_resilience_event(event, "shop")
        return await monitor.get_prometheus_metrics()

    text = asyncio.run(main())

    for metric in document.metrics():
        name, labels = re.fullmatch(r"(\w+)(?:{(.*)})?", metric).groups()  # type: ignore[union-attr]
        assert exposition.labels_of(text, name) == set(labels.split(", ") if labels else []), metric


@proves("sample: Dashboard Data")
def test_the_dashboard_has_all_keys_that_are_shown(item: str) -> None:
    async def main() -> dict[str, Any]:
        monitor = PerformanceMonitor()
        await monitor.record_performance_metric("kafka_client", "publish_event", 120.0, success=True)
        return json.loads(json.dumps(await monitor.get_performance_dashboard()))  # type: ignore[no-any-return]

    dashboard = asyncio.run(main())
    expected = json.loads(document.sample("Dashboard Data"))

    for part, inner in expected.items():
        assert set(dashboard[part]) >= set(inner)
    component = expected["component_performance"]["kafka_client"]
    assert set(dashboard["component_performance"]["kafka_client"]) >= set(component)


@proves("sample: Basic Kafka Resilience")
def test_an_event_is_published(item: str, capsys: pytest.CaptureFixture[str]) -> None:
    names = _run(item, event={"order": 7})

    assert names["success"]
    assert capsys.readouterr().out.splitlines() == [
        "Event published successfully",
        "Total failures: 0",
        "Retried 0 messages successfully",
    ]


class _Database:
    """What a reader has: something with `execute_query`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.rows: list[Any] = []

    async def execute_query(self, sql: str) -> list[Any]:
        async with await psycopg.AsyncConnection.connect(self._url) as connection:
            self.rows = await (await connection.execute(sql.encode())).fetchall()
        return self.rows


@proves("sample: Timeout Management")
def test_a_query_a_function_and_an_api_are_called_within_their_timeouts(
    item: str, environment: Settings, web: Web
) -> None:
    database, answers = _Database(environment.database_url), []

    async def slow_function(*given: int) -> None:
        answers.append(await web.call(*given))

    async def main() -> dict[str, Any]:
        return await shown.run(
            "Timeout Management",
            database=database,
            sql="SELECT 40 + 2",
            slow_function=slow_function,
            arg1=1,
            arg2=2,
            external_api_call=web.call,
            endpoint="/orders",
            data={"order": 7},
        )

    names = asyncio.run(main())

    assert (database.rows, answers) == ([(42,)], ["[1,2]"])
    assert names["result"] == '["/orders",{"order":7}]'


@proves("sample: Performance Monitoring")
def test_an_operation_that_goes_well_and_one_that_does_not_are_recorded(item: str, web: Web) -> None:
    async def main() -> tuple[Any, str]:
        web.failures = 1
        await shown.run("Performance Monitoring", operation=web.call)
        names = await shown.run("Performance Monitoring", operation=web.call)
        return names["dashboard"], names["metrics_text"]

    dashboard, metrics = asyncio.run(main())

    shown_of_it = dashboard["component_performance"]["service_name"]
    assert (shown_of_it["total_requests"], shown_of_it["error_count"]) == (2, 1)
    assert (
        exposition.value(
            metrics, "omninode_errors_total", component="service_name", error_type="HTTPStatusError"
        )
        == 1
    )


@proves("sample: Debugging Tools")
def test_the_debugging_tools_show_what_runs_what_failed_and_how_it_is(item: str, away: Away) -> None:
    manager = TimeoutManager()

    async def main() -> dict[str, Any]:
        client = KafkaClient(away(), timeout_seconds=0.2, max_retry_attempts=0)
        topic = f"orders-{uuid4().hex[:8]}"
        await client.publish_event({"order": 7}, topic)
        async with manager.timeout_context("database_query", 30):
            names = await shown.run(
                "Debugging Tools",
                timeout_manager=manager,
                kafka_client=client,
                performance_monitor=PerformanceMonitor(),
            )
        await client.disconnect()
        return names

    names = asyncio.run(main())

    assert [each["name"] for each in names["active_ops"]] == ["database_query"]
    assert len(names["failed_messages"]) == 1
    assert names["dashboard"]["system_health"]["status"] == names["health"]["status"]


@pytest.fixture(scope="module")
def typed(stack: Addresses) -> list[str]:
    """What the lines that are typed to test have printed, each: they are run once, as they stand there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["OMNINODE_TEST_STACK"] = json.dumps(
        {each.name: getattr(stack, each.name) for each in fields(Addresses)}
    )
    # None of these tests is one of Hypothesis's, which takes a second to load.
    environment["PYTEST_ADDOPTS"] = "-p no:hypothesispytest"
    environment["PATH"] = f"{ROOT / '.venv/bin'}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", document.sample("Testing")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return re.split(r"^=+ test session starts =+$", done.stdout + done.stderr, flags=re.MULTILINE)[1:]


_CLASSES = ("TestKafkaClientResilience", "TestTimeoutManager", "TestPerformanceMonitor")


def _passed(printed: str) -> set[str]:
    """The classes of which a run has run tests, where all have passed."""
    assert re.search(r"^=+ \d+ passed in .* =+$", printed, re.MULTILINE), printed
    return set(re.findall(r"::(Test\w+)::\w+ PASSED", printed))


@proves("sample: Testing")
def test_all_lines_run_one_after_the_other(item: str, typed: list[str]) -> None:
    assert len(typed) == len(document.commands())


@proves(*(f"command: {line}" for line in document.commands()))
def test_a_line_runs_the_tests_that_it_names(item: str, typed: list[str]) -> None:
    printed = typed[document.commands().index(item.removeprefix("command: "))]

    assert _passed(printed) == set(re.findall(r"::(\w+)", item) or _CLASSES)
