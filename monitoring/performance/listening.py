"""What happens in a process, as its monitor counts it."""

from __future__ import annotations

from monitoring.performance.recorder import Recorder
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


def listener(recorder: Recorder) -> Listener:
    """What `events.attach` takes."""

    def hear(event: Event) -> None:
        match event:
            case CallEnded(component, operation, seconds, success, error_type):
                recorder.record(component, operation, seconds * 1000, success, error_type or None)
            case TimeoutStruck(component):
                recorder.record_event("timeout_failure", component)
            case GraceRecovered(component):
                recorder.record_event("grace_period_recovery", component)
            case Retried(component):
                recorder.record_event("retry_attempt", component)
            case DeadLettered(component, topic):
                recorder.record_event("dead_letter_message", component, topic)
            case CircuitOpened(component):
                recorder.record_event("circuit_breaker_trip", component)
            case _:
                # A warning: what becomes of it is told by another one.
                pass

    return hear
