"""From how things stand, and what was found, to what changes: pure, one change a function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from orchestrator.alerts import record
from orchestrator.alerts.record import Acknowledged, Alert, Raised, Silence
from orchestrator.alerts.standing import Standing

Event = Literal[
    "raised",  # it was not raised before
    "still_raised",  # its silence is over, and it has not been delivered yet
    "severity",  # it has become worse, or less bad: `before` says what it was
    "cleared",
    "acknowledged",
    "silenced",
    "unsilenced",  # by hand
    "silence_ended",  # by time
]

# A record is not written anew at each look only to say that it was looked at.
_REFRESH_SECONDS = 15.0
# The end of what nobody judges any more: its rule, its queue or its judge is gone.
FORGOTTEN_SECONDS = 86_400.0


@dataclass(frozen=True)
class Change:
    """What a record was and becomes (None: there is none), and what the history tells of that, if anything.

    `deliver`: whether it goes to those who want to be told of alerts.
    """

    name: str
    before: Raised | Silence | None
    after: Raised | Silence | None
    event: Event | None = None
    deliver: bool = False
    who: str = ""
    why: str = ""


def found(standing: Standing, alert: Alert, since: str = "") -> Change | None:
    """It is so: raise it, or say of the raised one how it is now. `since`: when it began, if not just now."""
    before = standing.raised.get(alert.name)
    is_silenced = standing.silence_of(alert.name) is not None
    if before is None:
        after = Raised(
            alert.name,
            alert.severity,
            alert.sentence,
            since=since or standing.stamp,
            seen_at=standing.stamp,
            component=alert.component,
            is_told=not is_silenced,
        )
        return Change(alert.name, None, after, "raised", deliver=not is_silenced)
    is_quiet = is_silenced or before.acknowledged is not None
    event: Event | None = None
    if before.severity != alert.severity:
        event = "severity"
    elif not before.is_told and not is_quiet:
        event = "still_raised"
    is_delivered = event is not None and not is_quiet
    after = replace(
        before,
        severity=alert.severity,
        sentence=alert.sentence,
        component=alert.component,
        seen_at=standing.stamp,
        clean_looks=0,
        is_absent=False,
        is_told=before.is_told or is_delivered,
    )
    if event is None and _says_the_same(standing, before, after):
        return None
    return Change(alert.name, before, after, event, deliver=is_delivered)


def missed(standing: Standing, name: str) -> Change | None:
    """It was looked for and not found, but that is not yet enough to clear it."""
    before = standing.raised.get(name)
    if before is None:
        return None
    after = replace(before, clean_looks=before.clean_looks + 1, is_absent=True, seen_at=standing.stamp)
    return Change(name, before, after)


def absent(standing: Standing, name: str) -> Change | None:
    """It was looked for and not found, by a look that clears nothing."""
    before = standing.raised.get(name)
    if before is None or before.is_absent:
        return None
    return Change(name, before, replace(before, is_absent=True, seen_at=standing.stamp))


def gone(standing: Standing, name: str, why: str = "") -> Change | None:
    """It is so no longer: clear it."""
    before = standing.raised.get(name)
    return None if before is None else Change(name, before, None, "cleared", deliver=before.is_told, why=why)


def forgotten(standing: Standing) -> list[Change]:
    """The end of alerts that nobody has judged for a day, and of silences whose time is over."""
    changes = [
        gone(standing, name, "nobody has judged it for a day")
        for name, each in standing.raised.items()
        if record.seconds_since(each.seen_at or each.since, standing.now) > FORGOTTEN_SECONDS
    ]
    over = [each for each in standing.silences.values() if each.is_over(standing.now)]
    ended = [Change(each.pattern, each, None, "silence_ended", who=each.who, why=each.why) for each in over]
    return [each for each in changes if each] + ended


def acknowledged(standing: Standing, name: str, who: str, why: str) -> Change | None:
    """Somebody knows of it: until it clears it is not delivered again. None where it is not raised."""
    before = standing.raised.get(name)
    if before is None:
        return None
    after = replace(before, acknowledged=Acknowledged(who, why, standing.stamp))
    return Change(name, before, after, "acknowledged", who=who, why=why)


def silenced(standing: Standing, silence: Silence) -> Change:
    """What matches is not delivered for a while."""
    before = standing.silences.get(silence.pattern)
    return Change(silence.pattern, before, silence, "silenced", who=silence.who, why=silence.why)


def unsilenced(standing: Standing, pattern: str, who: str, why: str) -> Change | None:
    """It is delivered again. None where there is no such silence."""
    before = standing.silences.get(pattern)
    return None if before is None else Change(pattern, before, None, "unsilenced", who=who, why=why)


def _says_the_same(standing: Standing, before: Raised, after: Raised) -> bool:
    is_fresh = record.seconds_since(before.seen_at, standing.now) < _REFRESH_SECONDS
    return replace(after, seen_at=before.seen_at) == before and bool(before.seen_at) and is_fresh
