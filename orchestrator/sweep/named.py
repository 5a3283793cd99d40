"""What a sweep of queues that a person has named leaves alone, and which of them there are not at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from celery import Celery

from orchestrator.queues import survey
from orchestrator.queues.survey import QueueState


@dataclass(frozen=True)
class Named:
    """By name: how many workers serve a queue, so that it is left alone; and the names that nobody knows."""

    served: dict[str, int]
    unknown: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Both."""
        return {"served": self.served, "unknown": list(self.unknown)}


def look(app: Celery, channel: Any, names: Collection[str]) -> Named:
    """As it is now: what is swept may have been all that there was of a queue.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    if not names:
        return Named({}, ())
    states = {state.name: state for state in survey.survey(channel, names)}
    served = {name: states[name].workers for name in names if _is_left_alone(states[name])}
    declared = app.amqp.queues
    return Named(served, tuple(name for name in names if name not in declared and _is_nothing(states[name])))


def _is_left_alone(state: QueueState) -> bool:
    return bool(state.workers) and not state.paused


def _is_nothing(state: QueueState) -> bool:
    messages = state.waiting_in_all + state.delayed + state.aside + state.in_flight
    return not (messages or state.workers or state.paused)
