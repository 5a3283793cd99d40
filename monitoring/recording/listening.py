"""What happens in a process, as it is counted."""

from __future__ import annotations

from monitoring.recording.recorder import Recorder
from orchestrator.events import (
    Begun,
    CallEnded,
    CircuitOpened,
    DeadLettered,
    Event,
    GraceRecovered,
    Listener,
    Replayed,
    Retried,
    TimeoutStruck,
)

# What a foreign message's letter is of may have no name.
_NAMELESS = "unknown"


def listener(recorder: Recorder) -> Listener:
    """What `events.attach` takes, for the sums of this process alone."""

    def hear(event: Event) -> None:
        match event:
            case CallEnded(component, operation, seconds, success, error_type):
                recorder.record(_named(component), operation, seconds * 1000, success, error_type or None)
            case Begun(component, queue, seconds):
                recorder.record_wait(_named(queue), _named(component), seconds * 1000)
            case TimeoutStruck(component, limit):
                recorder.record_event("timeout_failure", _named(component))
                recorder.record_told(f"{limit}_timeout", _named(component))
            case GraceRecovered(component):
                recorder.record_event("grace_period_recovery", _named(component))
            case Retried(component):
                recorder.record_event("retry_attempt", _named(component))
            case DeadLettered(component, topic):
                recorder.record_event("dead_letter_message", _named(component), topic)
            case Replayed(component):
                recorder.record_told("replay", _named(component))
            case CircuitOpened(component):
                recorder.record_event("circuit_breaker_trip", _named(component))
            case _:
                # A warning: what becomes of it is told by another one.
                pass

    return hear


def listener_for_fleet(recorder: Recorder) -> Listener:
    """The same for the sums of the fleet: what somebody else counts for it is left out.

    That is what settlements count, and trips of circuits that another process has made.
    """
    record, record_wait, hear_others = recorder.record, recorder.record_wait, listener(recorder)

    def hear(event: Event) -> None:
        # Each task tells of these two: looking at the type is what costs least.
        if type(event) is CallEnded:
            component, operation, seconds, success, error_type = event
            if not component or component.isspace():
                component = _NAMELESS
            record(component, operation, seconds * 1000.0, success, error_type or None)
        elif type(event) is Begun:
            component, queue, seconds = event
            if not component or component.isspace() or not queue or queue.isspace():
                component, queue = _named(component), _named(queue)
            record_wait(queue, component, seconds * 1000.0)
        elif not _is_counted_elsewhere(event):
            hear_others(event)

    return hear


def _is_counted_elsewhere(event: Event) -> bool:
    match event:
        case Retried(is_settled=True) | DeadLettered(is_settled=True) | CircuitOpened(is_own=False):
            return True
    return False


def _named(component: str) -> str:
    return component if component and not component.isspace() else _NAMELESS
