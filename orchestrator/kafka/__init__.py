"""Kafka: connections to it, and the client that publishes events with retries, a breaker and dead letters."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.kafka.client import KafkaClient
    from orchestrator.kafka.connections import admin, consumer, producer
    from orchestrator.kafka.outcome import PublishOutcome

__all__ = ["KafkaClient", "PublishOutcome", "admin", "consumer", "producer"]

_ROOMS = {
    "KafkaClient": "client",
    "PublishOutcome": "outcome",
    "admin": "connections",
    "consumer": "connections",
    "producer": "connections",
}


def __getattr__(name: str) -> Any:
    # Whoever only reads dead letters does not load what publishes.
    if name not in _ROOMS:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
