"""Figures → alerts: raised above a limit, cleared below four fifths of it, kept while a figure is unknown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator import times
from orchestrator.alerts.record import Alert, Severity
from orchestrator.settings import Settings

# Other programs know alerts by these names.
OUTBOX_WAITS = "outbox_waits"
OUTBOX_OVERFLOWS = "outbox_overflows"
TOPICS_REFUSE = "topics_refuse"
OPEN_LETTERS = "open_letters"
LETTERS_PER_MINUTE = "letters_per_minute"
OPEN_LETTER_AGE = "open_letter_age"
INDEX_WAITS = "index_waits"
POSTGRESQL_AWAY = "postgresql_away"
# All of them: others are judged elsewhere, and raised and cleared there.
NAMES = frozenset(
    {
        OUTBOX_WAITS,
        OUTBOX_OVERFLOWS,
        TOPICS_REFUSE,
        OPEN_LETTERS,
        LETTERS_PER_MINUTE,
        OPEN_LETTER_AGE,
        INDEX_WAITS,
        POSTGRESQL_AWAY,
    }
)

# A figure that trembles around its limit is one alert, not many.
_CLEARED_BELOW = 0.8
_LOOK = ": look at them with `omninode dead-letters list --groups`"


@dataclass(frozen=True)
class Figures:
    """What alerts follow from; None is unknown.

    `outbox` and `overflow` count what waits for Kafka in Redis and in PostgreSQL, `outbox_seconds` is how
    long the oldest of them has waited. `refused` has, by topic, what Kafka says of letters that it does not
    take.
    """

    outbox: int | None = None
    outbox_seconds: float | None = None
    overflow: int | None = None
    refused: Mapping[str, str] | None = None
    kafka_error: str = ""
    open_letters: int | None = None
    letters_per_minute: float | None = None
    open_letter_hours: float | None = None
    index_seconds: float | None = None
    index_error: str = ""
    postgresql_seconds: float | None = None
    postgresql_error: str = ""


@dataclass(frozen=True)
class Limits:
    """From which figures on alerts are raised."""

    outbox_seconds: float
    outbox: int
    open_letters: int
    letters_per_minute: float
    open_letter_hours: float


def limits(settings: Settings) -> Limits:
    """The limits that the settings ask for."""
    return Limits(
        outbox_seconds=settings.alert_outbox_seconds,
        outbox=settings.outbox_high_water,
        open_letters=settings.alert_open_letters,
        letters_per_minute=settings.alert_letters_per_minute,
        open_letter_hours=settings.alert_open_letter_hours,
    )


def judge(figures: Figures, limits: Limits, raised: Mapping[str, Alert]) -> list[Alert]:
    """The alerts that are raised now, where `raised` were it before."""
    found = [rule.judge(raised.get(rule.name)) for rule in _rules(figures, limits)]
    return [alert for alert in found if alert]


@dataclass(frozen=True)
class _Rule:
    """One alert: raised where the figure is at the limit or above."""

    name: str
    severity: Severity
    figure: float | None
    limit: float
    sentence: str = field(repr=False)

    def judge(self, before: Alert | None) -> Alert | None:
        if self.figure is None:
            return before
        if self.figure < self.limit * (_CLEARED_BELOW if before else 1.0):
            return None
        return Alert(self.name, self.severity, self.sentence)


def _rules(figures: Figures, limits: Limits) -> Iterator[_Rule]:
    yield _Rule(
        OUTBOX_WAITS,
        "critical",
        figures.outbox_seconds,
        limits.outbox_seconds,
        f"{_waiting(figures.outbox, figures.overflow)}, the oldest for "
        f"{times.length(figures.outbox_seconds or 0)}{_because(figures.kafka_error)}",
    )
    yield _overflow(figures, limits)
    refused = figures.refused
    yield _Rule(
        TOPICS_REFUSE,
        "critical",
        None if refused is None else len(refused),
        1,
        "Kafka refuses dead letters, which wait in PostgreSQL: "
        + "; ".join(f"{topic}: {error}" for topic, error in (refused or {}).items()),
    )
    yield _Rule(
        OPEN_LETTERS,
        "warning",
        figures.open_letters,
        limits.open_letters,
        f"{figures.open_letters or 0:,} dead letters are open{_LOOK}",
    )
    yield _Rule(
        LETTERS_PER_MINUTE,
        "warning",
        figures.letters_per_minute,
        limits.letters_per_minute,
        f"{figures.letters_per_minute or 0:,.0f} tasks died in the last minute{_LOOK}",
    )
    yield _Rule(
        OPEN_LETTER_AGE,
        "warning",
        figures.open_letter_hours,
        limits.open_letter_hours,
        f"the oldest open dead letter is {figures.open_letter_hours or 0:,.1f} hours old: "
        "replay or archive it",
    )
    yield _Rule(
        INDEX_WAITS,
        "warning",
        figures.index_seconds,
        limits.outbox_seconds,
        f"dead letters have been in Kafka for {times.length(figures.index_seconds or 0)} and cannot be found "
        "yet" + _because(figures.index_error),
    )
    yield _Rule(
        POSTGRESQL_AWAY,
        "critical",
        figures.postgresql_seconds,
        limits.outbox_seconds,
        f"PostgreSQL has not answered for {times.length(figures.postgresql_seconds or 0)}, "
        f"dead letters cannot be found{_because(figures.postgresql_error)}",
    )


def _overflow(figures: Figures, limits: Limits) -> _Rule:
    waiting, moved = figures.outbox, figures.overflow
    if moved:
        sentence = f"{_waiting(moved)} for Kafka in PostgreSQL, because Redis has no room for them"
    else:
        sentence = f"{_waiting(waiting)} in Redis, {limits.outbox:,} is the high-water mark"
    return _Rule(
        OUTBOX_OVERFLOWS,
        "critical",
        _fullness(waiting, moved, limits.outbox),
        limits.outbox,
        sentence + _because(figures.kafka_error),
    )


def _fullness(waiting: int | None, moved: int | None, limit: int) -> int | None:
    """How full the outbox is: what has been moved to PostgreSQL makes it a full one."""
    if moved or (waiting or 0) >= limit:
        return max(waiting or 0, limit)
    return None if moved is None else waiting


def _waiting(*counts: int | None) -> str:
    count = sum(each or 0 for each in counts)
    return "1 dead letter waits" if count == 1 else f"{count:,} dead letters wait"


def _because(error: str) -> str:
    return f" ({error})" if error else ""
