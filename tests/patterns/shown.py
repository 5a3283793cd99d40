"""Runs the samples of the document, by the very text that it shows."""

import ast
import asyncio
import time
from inspect import isawaitable
from typing import Any

from monitoring.performance import PerformanceMonitor, init_performance_monitoring, performance_monitor
from orchestrator import settings
from orchestrator.breaker import circuit
from orchestrator.kafka import KafkaClient
from orchestrator.timeouts import TimeoutConfig, TimeoutManager
from tests.patterns import document

# Where the document has its Kafka. It is the one thing that is changed: ours is at another port.
_KAFKA = "localhost:29092"

# What a reader imports before he types a sample.
_IMPORTED = {
    "KafkaClient": KafkaClient,
    "PerformanceMonitor": PerformanceMonitor,
    "TimeoutConfig": TimeoutConfig,
    "TimeoutManager": TimeoutManager,
    "asyncio": asyncio,
    "circuit": circuit,
    "init_performance_monitoring": init_performance_monitoring,
    "performance_monitor": performance_monitor,
    "time": time,
}


async def run(heading: str, **left_open: Any) -> dict[str, Any]:
    """Run the sample under this heading, with what it leaves open; returns all its names."""
    text = document.sample(heading).replace(_KAFKA, settings.current().kafka_bootstrap_servers)
    names: dict[str, Any] = {"__name__": "shown", **_IMPORTED, **left_open}
    compiled = compile(text, f"{document.PAGE}: {heading}", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(compiled, names)  # noqa: S307 (to run it as it is written is the point)
    if isawaitable(running):
        await running
    return names
