"""The process's own performance monitor, which nothing starts by itself."""

from __future__ import annotations

import asyncio

from monitoring.performance.monitor import PerformanceMonitor

performance_monitor = PerformanceMonitor(listens=False)


async def init_performance_monitoring() -> PerformanceMonitor:
    """Have the process's monitor listen and look; a second call changes nothing. Returns it."""
    performance_monitor.start()
    return performance_monitor


async def shutdown_performance_monitoring() -> None:
    """Have it stop; what was recorded stays, and it can be started again."""
    await asyncio.to_thread(performance_monitor.stop)
