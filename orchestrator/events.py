"""What happened in this process, told to whoever has attached: frozen records, `emit` and `attach`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from orchestrator import logger

_LOG = logger.get(__name__)

# Whose limit: an operation's, that of all that is done within one, a task's, or that of all its attempts.
Limit = Literal["operation", "global", "soft", "hard", "deadline"]


# Each task tells of this and of `Begun`: a named tuple is made in less than half of a dataclass's time.
class CallEnded(NamedTuple):
    """A call of `component` has ended; `error_type` names the class of what it raised."""

    component: str
    operation: str
    duration_seconds: float
    success: bool
    error_type: str = ""


@dataclass(frozen=True, slots=True)
class TimeoutNear:
    """Of the time that it may take, the part that a warning is due after is over."""

    component: str
    limit: Limit
    limit_seconds: float
    elapsed_seconds: float


@dataclass(frozen=True, slots=True)
class TimeoutStruck:
    """It took too long, and was told to stop, or was killed."""

    component: str
    limit: Limit
    limit_seconds: float


@dataclass(frozen=True, slots=True)
class GraceRecovered:
    """It finished after its limit, within the grace period."""

    component: str
    limit_seconds: float
    elapsed_seconds: float


class Begun(NamedTuple):
    """A task has begun for the first time, so long after its enqueue, or after it was due."""

    component: str
    queue: str
    waited_seconds: float


@dataclass(frozen=True, slots=True)
class Retried:
    """A call has failed, and is tried again. `is_settled`: the settlement of its message counts it too."""

    component: str
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class DeadLettered:
    """A letter was written; `topic` is where it goes. `is_settled`: its settlement counts it too."""

    component: str
    topic: str
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class Replayed:
    """A letter's message was enqueued again; `component` is its task."""

    component: str


@dataclass(frozen=True, slots=True)
class CircuitOpened:
    """A circuit has opened. `is_own`: by a call or command of this process, which counts it for the fleet.

    While Redis is away each process has circuits of its own: each of these counts.
    """

    component: str
    is_own: bool = False


Event = (
    CallEnded
    | TimeoutNear
    | TimeoutStruck
    | GraceRecovered
    | Begun
    | Retried
    | DeadLettered
    | Replayed
    | CircuitOpened
)
Listener = Callable[[Event], None]

_listeners: tuple[Listener, ...] = ()


def attach(listener: Listener) -> Callable[[], None]:
    """Have it called with each event of this process, where the event happens; returns what detaches it.

    It must be quick, and may be called from any thread. What it raises is logged.
    """
    global _listeners  # noqa: PLW0603 (a process tells of itself once)
    _listeners = (*_listeners, listener)

    def detach() -> None:
        global _listeners  # noqa: PLW0603
        _listeners = tuple(each for each in _listeners if each is not listener)

    return detach


def is_heard() -> bool:
    """Whether anybody listens: where events are many, making them for nobody is what costs."""
    return bool(_listeners)


def emit(event: Event) -> None:
    """Tell it to whoever listens; never raises."""
    for listener in _listeners:
        try:
            listener(event)
        except Exception as error:
            _LOG.tell(
                "warning",
                "listener_failed",
                what=type(event).__name__,
                error=f"{type(error).__name__}: {error}",
            )
