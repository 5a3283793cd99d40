"""What happens in a process, as its monitor counts it."""

from __future__ import annotations

from monitoring.recording.recorder import Recorder
from orchestrator.events import (
    CallEnded,
    CircuitOpened,
    DeadLettered,
    Event,
    GraceRecovered,
    Listener,
    Retried,
    TimeoutStruck,
)

# What a foreign message's letter is of may have no name.
_NAMELESS = "unknown"


def listener(recorder: Recorder) -> Listener:
    """What `events.attach` takes."""

    def hear(event: Event) -> None:
        match event:
            case CallEnded(component, operation, seconds, success, error_type):
                recorder.record(_named(component), operation, seconds * 1000, success, error_type or None)
            case TimeoutStruck(component):
                recorder.record_event("timeout_failure", _named(component))
            case GraceRecovered(component):
                recorder.record_event("grace_period_recovery", _named(component))
            case Retried(component):
                recorder.record_event("retry_attempt", _named(component))
            case DeadLettered(component, topic):
                recorder.record_event("dead_letter_message", _named(component), topic)
            case CircuitOpened(component):
                recorder.record_event("circuit_breaker_trip", _named(component))
            case _:
                # A warning: what becomes of it is told by another one.
                pass

    return hear


def _named(component: str) -> str:
    return component if component.strip() else _NAMELESS
