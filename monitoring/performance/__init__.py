"""Performance: how long calls take, how often they fail, and how healthy that is, by sums in this process."""

from monitoring.performance.monitor import PerformanceMonitor
from monitoring.performance.process import (
    init_performance_monitoring,
    performance_monitor,
    shutdown_performance_monitoring,
)

__all__ = [
    "PerformanceMonitor",
    "init_performance_monitoring",
    "performance_monitor",
    "shutdown_performance_monitoring",
]
