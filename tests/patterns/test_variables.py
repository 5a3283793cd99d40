"""Each variable of the document changes what it says that it changes."""

import asyncio
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from celery import Celery

from monitoring.performance import PerformanceMonitor
from orchestrator import events, kafka
from orchestrator.errors import TimeoutExceeded
from orchestrator.install import install
from orchestrator.settings import Settings
from orchestrator.timeouts import TimeoutManager
from tests.integration.relay.moved import moving
from tests.patterns.clients import is_published_soon, published
from tests.patterns.conftest import Away, Give
from tests.patterns.letters import letters
from tests.patterns.proofs import proves
from tests.patterns.watching import nothing_is_recorded, watching
from tests.processes import let_pass, wait_until

_ONCE = {"KAFKA_MAX_RETRIES": "0", "KAFKA_TIMEOUT_SECONDS": "0.1"}


def _topics(environment: Settings) -> set[str]:
    return set(kafka.admin(environment.kafka_bootstrap_servers).list_topics(timeout=5).topics)


@proves("variable: KAFKA_ENABLE_DLQ")
def test_it_decides_whether_letters_go_to_a_topic_or_only_to_the_index(
    item: str, give: Give, away: Away, environment: Settings, module_database: str
) -> None:
    def letter_of(topic: str, *, enabled: str) -> bool:
        chosen = give(**_ONCE, KAFKA_ENABLE_DLQ=enabled, DATABASE_URL=module_database)
        outcome = published(topic, bootstrap_servers=away())
        assert outcome.dead_lettered
        with moving(chosen):
            wait_until(lambda: letters(environment) == [], what="the letter's move")
        return f"{topic}.dlq" in _topics(environment)

    assert letter_of(f"orders-{uuid4().hex[:8]}", enabled="true")
    assert not letter_of(f"orders-{uuid4().hex[:8]}", enabled="false")
    with psycopg.connect(module_database) as database:
        assert database.execute("SELECT count(*) FROM dead_letters").fetchone() == (1,)


@proves("variable: KAFKA_MAX_RETRIES")
def test_it_is_how_often_publishing_is_tried_again(item: str, give: Give, away: Away) -> None:
    def attempts(most: str) -> int:
        give(KAFKA_TIMEOUT_SECONDS="0.1", KAFKA_MAX_RETRIES=most)
        return published("orders", bootstrap_servers=away(), retry_backoff_base=0.01).attempts

    assert (attempts("0"), attempts("2")) == (1, 3)


@proves("variable: KAFKA_TIMEOUT_SECONDS")
def test_it_is_how_long_publishing_waits_for_a_broker(item: str, give: Give, silent: str) -> None:
    give(**_ONCE)
    assert is_published_soon(bootstrap_servers=silent)
    give(KAFKA_TIMEOUT_SECONDS="600")
    assert not is_published_soon(bootstrap_servers=silent)


@proves("variable: KAFKA_DLQ_SUFFIX")
def test_it_is_what_a_dead_letter_s_topic_ends_with(
    item: str, give: Give, away: Away, told: list[events.Event]
) -> None:
    give(**_ONCE, KAFKA_DLQ_SUFFIX=".dead")

    published("orders", bootstrap_servers=away())

    assert [each.topic for each in told if isinstance(each, events.DeadLettered)] == ["orders.dead"]


def _conf(settings: Settings) -> Any:
    with install(Celery("limits", set_as_current=False), settings) as app:
        return app.conf


@proves("variable: TIMEOUT_OPERATION_DEFAULT")
def test_it_is_the_timeout_of_operations_and_the_soft_limit_of_tasks(item: str, give: Give) -> None:
    given = give(TIMEOUT_OPERATION_DEFAULT="0.05", TIMEOUT_GRACE_PERIOD="0.01")

    async def main() -> None:
        async with TimeoutManager().timeout_context("operation"):
            await asyncio.sleep(60)

    with pytest.raises(TimeoutExceeded, match=r"operation took longer than 0\.05 s"):
        asyncio.run(main())
    assert _conf(given).task_soft_time_limit == 0.05


@proves("variable: TIMEOUT_GLOBAL_DEFAULT")
def test_it_bounds_all_that_is_done_within_an_operation(item: str, give: Give) -> None:
    give(TIMEOUT_OPERATION_DEFAULT="0.05", TIMEOUT_GLOBAL_DEFAULT="0.05", TIMEOUT_GRACE_PERIOD="0.01")
    manager = TimeoutManager()

    async def main() -> None:
        async with manager.timeout_context("outer", 60), manager.timeout_context("inner", 60):
            await asyncio.sleep(60)

    with pytest.raises(TimeoutExceeded) as caught:
        asyncio.run(main())
    assert (caught.value.operation, caught.value.limit_seconds) == ("outer", 0.05)


@proves("variable: TIMEOUT_GRACE_PERIOD")
def test_it_decides_whether_an_operation_that_is_late_may_finish_and_when_a_task_is_killed(
    item: str, give: Give
) -> None:
    async def late() -> str:
        async with TimeoutManager().timeout_context("operation", 0.02):
            await asyncio.sleep(0.1)
        return "finished"

    assert _conf(give(TIMEOUT_GRACE_PERIOD="30")).task_time_limit == 330
    assert asyncio.run(late()) == "finished"

    assert _conf(give(TIMEOUT_GRACE_PERIOD="0.01")).task_time_limit == 300.01
    with pytest.raises(TimeoutExceeded):
        asyncio.run(late())


@proves("variable: TIMEOUT_WARNING_THRESHOLD")
def test_it_is_the_part_of_a_timeout_after_which_a_warning_is_given(
    item: str, give: Give, told: list[events.Event]
) -> None:
    async def main() -> None:
        async with TimeoutManager().timeout_context("operation", 4):
            await asyncio.sleep(0.1)

    give(TIMEOUT_WARNING_THRESHOLD="1")
    asyncio.run(main())
    assert not any(isinstance(each, events.TimeoutNear) for each in told)

    give(TIMEOUT_WARNING_THRESHOLD="0.005")
    asyncio.run(main())
    assert any(isinstance(each, events.TimeoutNear) for each in told)


async def _recorded(monitor: PerformanceMonitor, duration_ms: float = 1.0, failures: int = 0) -> None:
    for number in range(20):
        await monitor.record_performance_metric(
            component="shop", operation="order", duration_ms=duration_ms, success=number >= failures
        )


def _status(duration_ms: float = 1.0, failures: int = 0) -> Any:
    async def main() -> Any:
        nothing_is_recorded()
        monitor = PerformanceMonitor()
        await _recorded(monitor, duration_ms, failures)
        return (await monitor.get_system_health())["status"]

    return asyncio.run(main())


@proves("variable: PERF_MONITOR_RETENTION_HOURS")
def test_it_is_how_long_calls_are_remembered(item: str, give: Give) -> None:
    def remembered(hours: str) -> list[str]:
        give(PERF_MONITOR_RETENTION_HOURS=hours)
        now = [0.0]

        async def main() -> list[str]:
            monitor = PerformanceMonitor(clock=lambda: now[0], shared=False)
            await _recorded(monitor)
            now[0] = 36 * 3600
            return list((await monitor.get_performance_dashboard())["component_performance"])

        return asyncio.run(main())

    assert (remembered("48"), remembered("24")) == (["shop"], [])


@proves("variable: PERF_MONITOR_SAMPLING_INTERVAL")
def test_it_is_how_often_health_is_looked_at(item: str, give: Give) -> None:
    give(PERF_MONITOR_SAMPLING_INTERVAL="0.01")
    with watching() as often:
        wait_until(lambda: len(often.dashboard()["samples"]) >= 3)

    give(PERF_MONITOR_SAMPLING_INTERVAL="600")
    with watching() as seldom:
        let_pass(0.1)
        assert len(seldom.dashboard()["samples"]) == 1


@proves("variable: PERF_MONITOR_ERROR_THRESHOLD")
def test_it_is_the_percentage_of_errors_from_which_on_health_is_worse(item: str, give: Give) -> None:
    give(PERF_MONITOR_ERROR_THRESHOLD="50")
    assert _status(failures=4) == "healthy"

    give(PERF_MONITOR_ERROR_THRESHOLD="15")
    assert _status(failures=4) == "degraded"


@proves("variable: PERF_MONITOR_RESPONSE_THRESHOLD")
def test_it_is_the_response_time_from_which_on_health_is_worse(item: str, give: Give) -> None:
    give(PERF_MONITOR_RESPONSE_THRESHOLD="1000")
    assert _status(duration_ms=900) == "healthy"

    give(PERF_MONITOR_RESPONSE_THRESHOLD="800")
    assert _status(duration_ms=900) == "degraded"
