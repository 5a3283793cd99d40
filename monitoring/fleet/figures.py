"""What is known of the fleet at a moment. What could not be found out is None, and `unknown` says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitoring.rollup.processes import Process
from orchestrator.queues.serving import ServingWorker
from orchestrator.timeouts.fleet import Entry


@dataclass(frozen=True)
class QueueFigures:
    """One queue: messages by where they are, and how many workers serve it.

    `oldest_waiting_seconds` is None where nothing waits, or its producer does not say since when: see
    `orchestrator.queues.fronts`. `delayed` and `aside` are None where there are too many to count each time.
    `is_declared`: an app of the process that asks has it, so that its name is no mistake.
    """

    waiting: int
    delayed: int | None
    aside: int | None
    in_flight: int
    paused: bool
    oldest_waiting_seconds: float | None
    workers: int
    is_declared: bool = True


@dataclass(frozen=True)
class BeatFigures:
    """`age_seconds` since beat has sent a task; None: it was not seen for a day. `rival` is a second one."""

    age_seconds: float | None = None
    name: str = ""
    rival: str | None = None


@dataclass(frozen=True)
class RelayFigures:
    """The relays that are heard, and the outbox that they empty."""

    names: tuple[str, ...]
    outbox: int
    outbox_seconds: float
    kafka_error: str = ""

    @property
    def count(self) -> int:
        """How many relays there are."""
        return len(self.names)


@dataclass(frozen=True)
class LetterFigures:
    """What PostgreSQL says of letters: those that wait there for Kafka, and those that are open."""

    overflow: int
    open_letters: int
    letters_per_minute: float
    open_letter_hours: float


@dataclass(frozen=True)
class BreakerFigures:
    """One circuit: "closed", "half_open" or "open", as which one that is isolated by hand counts too.

    `open_seconds` since it was last closed; None where it is. `words` say what it is, for people.
    `is_unused`: it is not closed, and nobody has called for hours.
    """

    state: str
    open_seconds: float | None = None
    words: str = ""
    is_unused: bool = False


@dataclass(frozen=True)
class RunningFigures:
    """Tasks that have run for a second or longer; `overdue` of them by more than 10 s.

    `overdue_tasks` are these, the oldest first, a hundred at most.
    """

    count: int
    overdue: int = 0
    overdue_tasks: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Fleet:
    """All of it; `at` in Unix seconds. `unknown` says, by part, why it could not be found out.

    `metrics_behind_minutes`: for how long the oldest minute that is over has not got into the history.
    """

    at: float
    queues: Mapping[str, QueueFigures] | None = None
    workers: tuple[ServingWorker, ...] | None = None
    beat: BeatFigures | None = None
    relays: RelayFigures | None = None
    letters: LetterFigures | None = None
    breakers: Mapping[str, BreakerFigures] | None = None
    running: RunningFigures | None = None
    processes: tuple[Process, ...] | None = None
    metrics_behind_minutes: int | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)


# What `unknown` may name. "delayed" and "aside" are counts of queues, "letters" is what PostgreSQL has,
# "redis" that one of the Redis servers does not answer at all.
PARTS = (
    "redis",
    "queues",
    "delayed",
    "aside",
    "workers",
    "beat",
    "relays",
    "letters",
    "breakers",
    "running",
    "processes",
    "metrics_behind_minutes",
)
