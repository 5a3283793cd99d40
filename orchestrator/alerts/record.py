"""Alerts and silences as records: frozen, and from and to the JSON that Redis keeps of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Literal, Self, TypeVar

Severity = Literal["info", "warning", "critical"]
# From the least to the worst.
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")

# What was not judged for so long, or for several times what lies between two looks, is told with its age.
STALE_SECONDS, _STALE_LOOKS = 600.0, 3

Kept = TypeVar("Kept", bound="Raised | Silence")


@dataclass(frozen=True)
class Alert:
    """Something that a person should know of; `sentence` says what is wrong and what to do.

    `component` is what it is about, None for the whole.
    """

    name: str
    severity: Severity
    sentence: str
    component: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Acknowledged:
    """Who has said that they know of it, why, and when (ISO 8601)."""

    who: str
    why: str
    at: str


@dataclass(frozen=True)
class Raised(Alert):
    """An alert, since when it is raised, and when it was last judged (ISO 8601).

    `clean_looks` counts how often in a row it was looked for and not found, of looks that count for that;
    `is_absent`: the last look of all has not found it. `is_told`: its raise was one to deliver, and so its
    end will be one too.
    """

    since: str
    seen_at: str = ""
    acknowledged: Acknowledged | None = None
    clean_looks: int = 0
    is_told: bool = True
    is_absent: bool = False

    @property
    def present_sentence(self) -> str:
        """How it is now: what was found last is so no longer where the last look has not found it."""
        if not self.is_absent:
            return self.sentence
        clears = "clears at the next" if self.clean_looks else "clears if it stays so"
        return f"not so at the last look; {clears} (it was: {self.sentence})"

    def is_stale(self, now: datetime, interval_seconds: float = 0.0) -> bool:
        """Whether nobody has judged it for long, so that it may no longer be so.

        `interval_seconds` is how often the fleet is looked at.
        """
        after_seconds = max(STALE_SECONDS, _STALE_LOOKS * interval_seconds)
        return bool(self.seen_at) and seconds_since(self.seen_at, now) > after_seconds

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """The record of this JSON object; what a newer release has added is left out."""
        known = _known(cls, stored)
        if known.get("acknowledged"):
            known["acknowledged"] = Acknowledged(**_known(Acknowledged, known["acknowledged"]))
        return cls(**known)


@dataclass(frozen=True)
class Silence:
    """What matches `pattern` is not delivered `until` then (ISO 8601)."""

    pattern: str
    until: str
    who: str
    why: str
    since: str

    def covers(self, name: str, now: datetime) -> bool:
        """Whether it silences the alert of this name now."""
        return not self.is_over(now) and fnmatchcase(name, self.pattern)

    def is_over(self, now: datetime) -> bool:
        """Whether its time is over."""
        return seconds_since(self.until, now) >= 0

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """The record of this JSON object."""
        return cls(**_known(cls, stored))


def text(record: Raised | Silence) -> str:
    """What Redis keeps of it."""
    return json.dumps(asdict(record))


def read(stored: Mapping[str, str], of: Callable[[Mapping[str, Any]], Kept]) -> dict[str, Kept]:
    """The records of a hash, by name; what is none is left out."""
    found = {}
    for name, record in sorted(stored.items()):
        try:
            found[name] = of(json.loads(record))
        except (ValueError, TypeError, AttributeError):
            continue
    return found


def stamp(now: datetime) -> str:
    """A moment as records have it."""
    return now.astimezone(UTC).isoformat(timespec="seconds")


def seconds_since(moment: str, now: datetime) -> float:
    """How long ago a record's moment is; 0 where it is none."""
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return 0.0
    return (now - (at if at.tzinfo else at.replace(tzinfo=UTC))).total_seconds()


def _known(kind: type, stored: Mapping[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in stored.items() if name in names}
