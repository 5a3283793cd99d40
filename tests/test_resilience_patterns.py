"""The patterns of the resilience document on real servers: Kafka is away, time is over, and it is seen."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from monitoring.performance import PerformanceMonitor
from orchestrator.dev.stack import Addresses
from orchestrator.errors import BreakerOpen, KafkaUnavailable, TimeoutExceeded
from orchestrator.kafka import KafkaClient
from orchestrator.settings import Settings
from orchestrator.timeouts import TimeoutConfig, TimeoutManager
from tests.integration.relay.moved import moving, records
from tests.patterns import exposition
from tests.patterns.clients import EVENT, QUICK, client, kafka_is_left_alone, published, using
from tests.patterns.letters import letters
from tests.patterns.watching import calls, seen, watching
from tests.patterns.web import Web, serving
from tests.servers import clean_redis, environment_of

# Its operations are cancelled as soon as their time is over.
_STRICT = TimeoutConfig(operation_timeout=60, global_timeout=60, grace_period=0, warning_threshold=1)


@pytest.fixture(scope="module")
def environment(stack: Addresses) -> Iterator[Settings]:
    """A Redis of this file's own."""
    with (
        clean_redis(stack.redis_url) as redis_url,
        environment_of(stack, redis_url, stack.database_url) as settings,
    ):
        yield settings


@pytest.fixture(autouse=True)
def _servers(environment: Settings) -> None:
    """Letters and circuits are in Redis."""


@pytest.fixture
def topic() -> str:
    """One that nobody else uses."""
    return f"orders-{uuid4().hex[:8]}"


@pytest.fixture
def away() -> Iterator[str]:
    """An address where every connection is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield "{}:{}".format(*taken.getsockname())


@pytest.fixture
def web() -> Iterator[Web]:
    """An HTTP server that can be told to hang or to fail."""
    with serving() as server:
        yield server


class TestKafkaClientResilience:
    """No event is lost: it is on its topic, or there is a dead letter of it."""

    def test_an_event_is_published_and_it_is_said_where(self, environment: Settings, topic: str) -> None:
        outcome = published(topic)

        (record,) = records(environment, topic, 1)
        assert outcome
        assert (outcome.partition, outcome.offset) == (record.partition(), record.offset())
        assert record.value() == b'{"number":7}'

    def test_what_kafka_does_not_take_is_tried_again_and_is_a_dead_letter_then(
        self, environment: Settings, topic: str, away: str
    ) -> None:
        outcome = published(topic, bootstrap_servers=away, **QUICK | {"max_retry_attempts": 2})

        assert not outcome
        assert (outcome.attempts, outcome.dead_lettered) == (3, True)
        (letter,) = [each for each in letters(environment) if each["queue"] == topic]
        assert (letter["id"], letter["reason"]) == (outcome.letter_id, "retries_exhausted")

    def test_a_dead_letter_comes_to_the_topic_s_own_topic_of_dead_letters(
        self, environment: Settings, topic: str, away: str, module_database: str
    ) -> None:
        published(topic, bootstrap_servers=away, **QUICK)

        with moving(environment.model_copy(update={"database_url": module_database})):
            (record,) = records(environment, f"{topic}.dlq", 1)

        assert record.value() == b'{"number":7}'

    def test_without_dead_letters_it_is_only_said_that_it_failed(
        self, environment: Settings, topic: str, away: str
    ) -> None:
        outcome = published(topic, bootstrap_servers=away, enable_dead_letter_queue=False, **QUICK)

        assert not outcome
        assert not outcome.dead_lettered
        assert [each for each in letters(environment) if each["queue"] == topic] == []

    def test_a_kafka_that_is_away_is_left_alone_after_three_failures(self, topic: str, away: str) -> None:
        async def work(made: KafkaClient) -> Any:
            attempts = [(await made.publish_event(EVENT, topic)).attempts for _ in range(5)]
            return attempts, await made.get_resilience_metrics()

        attempts, metrics = using(work, bootstrap_servers=away, **QUICK)

        assert attempts == [1, 1, 1, 0, 0]
        assert metrics["circuit_breaker"]["state"] == "open"
        assert metrics["failure_statistics"]["total_failures"] == 5

    def test_what_failed_is_published_when_kafka_is_back(self, environment: Settings, topic: str) -> None:
        async def main() -> Any:
            async with client() as made:
                with kafka_is_left_alone():
                    await made.publish_event(EVENT, topic)
                    failed = await made.get_failed_messages()
                return failed, await made.retry_failed_messages(), await made.get_failed_messages()

        failed, stats, left = asyncio.run(main())

        assert [(each["topic"], each["dead_lettered"]) for each in failed] == [(topic, True)]
        assert (stats["attempted"], stats["successful"], left) == (1, 1, [])
        assert len(records(environment, topic, 1)) == 1

    def test_connecting_says_where_no_kafka_answers(self, away: str) -> None:
        with pytest.raises(KafkaUnavailable, match=f"no Kafka answers at {away}"):
            asyncio.run(KafkaClient(away, timeout_seconds=0.1).connect())


class TestTimeoutManager:
    """No operation takes longer than it may, and it is said in time."""

    def test_a_call_that_hangs_is_cancelled_and_the_error_says_which(self, web: Web) -> None:
        web.answers.clear()

        with pytest.raises(TimeoutExceeded) as caught:
            asyncio.run(TimeoutManager(_STRICT).timeout_operation(web.call, "api_call", 0.2, "data"))

        assert (caught.value.operation, caught.value.limit_seconds) == ("api_call", 0.2)

    def test_it_is_warned_before_the_limit_and_the_callback_is_told(self) -> None:
        warned: list[Any] = []

        async def main() -> None:
            async with TimeoutManager(TimeoutConfig(grace_period=0)).timeout_context(
                "slow", 0.2, on_warning=warned.append
            ):
                await asyncio.sleep(60)

        with pytest.raises(TimeoutExceeded):
            asyncio.run(main())

        assert len(warned) == 1

    def test_what_finishes_within_the_grace_period_has_recovered(self) -> None:
        manager = TimeoutManager(TimeoutConfig(grace_period=30))

        assert (
            asyncio.run(manager.timeout_operation(asyncio.sleep, "slow", 0.02, 0.1, result="saved"))
            == "saved"
        )

        assert manager.metrics["grace_recoveries"] == 1

    def test_of_nested_contexts_the_one_whose_end_comes_first_is_named(self) -> None:
        manager = TimeoutManager(_STRICT)

        async def main() -> None:
            async with manager.timeout_context("outer", 0.05), manager.timeout_context("inner", 30):
                await asyncio.sleep(60)

        with pytest.raises(TimeoutExceeded) as caught:
            asyncio.run(main())

        assert caught.value.operation == "outer"

    def test_an_api_that_hangs_again_and_again_is_left_alone_for_a_while(self, web: Web) -> None:
        manager, name = TimeoutManager(_STRICT), f"api-{uuid4().hex[:8]}"
        web.answers.clear()

        async def main() -> None:
            for _ in range(50):
                with pytest.raises(TimeoutExceeded):
                    await manager.timeout_with_circuit_breaker(web.call, name, 0.1)

        with pytest.raises(BreakerOpen):
            asyncio.run(main())

        assert 3 <= web.calls < 50

    def test_what_is_cancelled_from_outside_did_not_take_too_long(self) -> None:
        manager = TimeoutManager(_STRICT)

        async def main() -> None:
            running = asyncio.create_task(manager.timeout_operation(asyncio.sleep, "slow", 30, 60))
            await asyncio.sleep(0.01)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

        asyncio.run(main())

        assert (manager.metrics["cancelled"], manager.metrics["timeouts"]) == (1, 0)


class TestPerformanceMonitor:
    """What happens is counted, judged and told."""

    def test_the_dashboard_has_a_component_s_figures(self) -> None:
        dashboard, _ = seen(calls(197, failures=3, duration_ms=120.0))

        component = dashboard["component_performance"]["kafka_client"]
        assert component["total_requests"] == 200
        assert component["success_rate_percent"] == 98.5
        assert component["error_count"] == 3
        assert component["average_duration_ms"] == pytest.approx(120)
        assert component["p95_duration_ms"] == pytest.approx(120, rel=0.1)

    def test_prometheus_reads_the_metrics(self) -> None:
        _, metrics = seen(calls(2, failures=1))

        labels = {"component": "kafka_client", "operation": "publish_event", "status": "error"}
        assert exposition.value(metrics, "omninode_requests_total", **labels) == 1
        assert exposition.value(metrics, "omninode_request_duration_seconds_count", **labels) == 1

    def test_an_alert_is_raised_with_its_severity_and_a_sentence(self) -> None:
        with watching(alert_threshold_error_rate=5.0) as monitor:
            asyncio.run(calls(93, failures=7)(monitor))  # type: ignore[arg-type]
            monitor.look()
            alerts = {alert["name"]: alert for alert in monitor.dashboard()["alerts"]}

        assert alerts["error_rate"]["severity"] == "warning"
        assert "7.0 % of all calls failed" in alerts["error_rate"]["message"]

    def test_an_alert_is_cleared_when_its_reason_is_gone(self) -> None:
        now = [0.0]
        with watching(clock=lambda: now[0], sampling_interval_seconds=600, shared=False) as monitor:
            asyncio.run(calls(50, failures=50)(monitor))  # type: ignore[arg-type]
            monitor.look()
            assert monitor.health()["status"] == "critical"
            now[0] = 600.0
            for _ in range(2):
                monitor.look()

            assert monitor.health()["status"] == "healthy"
            assert monitor.dashboard()["alerts"] == []

    def test_timeouts_and_recoveries_are_counted_without_being_recorded(self) -> None:
        async def work(_: PerformanceMonitor) -> None:
            with pytest.raises(TimeoutExceeded):
                await TimeoutManager(_STRICT).timeout_operation(asyncio.sleep, "slow", 0.02, 60)
            await TimeoutManager(TimeoutConfig(grace_period=30)).timeout_operation(
                asyncio.sleep, "slow", 0.02, 0.1
            )

        dashboard, metrics = seen(work)

        assert dashboard["resilience_metrics"]["timeout_failures"] == 1
        assert dashboard["resilience_metrics"]["grace_period_recoveries"] == 1
        assert exposition.value(metrics, "omninode_timeout_failures_total", component="slow") == 1
