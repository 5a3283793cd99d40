"""A monitor that watches this process while something is done."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from monitoring.performance import PerformanceMonitor
from orchestrator.breaker import hub

Work = Callable[[PerformanceMonitor], Awaitable[Any]]


@contextmanager
def watching(**configuration: Any) -> Iterator[PerformanceMonitor]:
    """One that hears of events and looks at health, until the end of the block."""
    monitor = PerformanceMonitor(**configuration)
    monitor.start()
    try:
        yield monitor
    finally:
        monitor.stop()
        # A circuit that has opened is none of the next one's business.
        hub.forget()


def seen(work: Work, **configuration: Any) -> tuple[dict[str, Any], str]:
    """The dashboard and the metrics of a monitor that has watched the work."""

    async def main(monitor: PerformanceMonitor) -> tuple[dict[str, Any], str]:
        await work(monitor)
        return await monitor.get_performance_dashboard(), await monitor.get_prometheus_metrics()

    with watching(**configuration) as monitor:
        return asyncio.run(main(monitor))


def calls(successes: int, failures: int = 0, duration_ms: float = 100.0) -> Work:
    """Calls that Kafka's client could have made."""

    async def work(monitor: PerformanceMonitor) -> None:
        for number in range(successes + failures):
            await monitor.record_performance_metric(
                component="kafka_client",
                operation="publish_event",
                duration_ms=duration_ms,
                success=number >= failures,
            )

    return work
