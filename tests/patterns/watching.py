"""A monitor that watches this process while something is done."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from monitoring.performance import PerformanceMonitor
from monitoring.rollup import process
from orchestrator import keys, redis, settings
from orchestrator.breaker import hub

Work = Callable[[PerformanceMonitor], Awaitable[Any]]


def nothing_is_recorded() -> None:
    """Make the fleet one that has recorded nothing."""
    process.forget()
    chosen = settings.current()
    with redis.connect(chosen.broker_url) as client:
        for key in client.scan_iter(keys.metrics("*", chosen.key_prefix)):
            client.delete(key)


@contextmanager
def watching(**configuration: Any) -> Iterator[PerformanceMonitor]:
    """One that hears of events and looks at health, until the end of the block; nothing was before."""
    nothing_is_recorded()
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
