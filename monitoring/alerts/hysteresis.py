"""When an alert is raised and when it is cleared, so that what trembles is one alert, not many; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from monitoring.alerts.rules import rule_of
from monitoring.judging.health import Reason
from orchestrator.alerts import changing
from orchestrator.alerts.changing import Change
from orchestrator.alerts.record import SEVERITIES, Alert, Raised
from orchestrator.alerts.standing import Standing

# After so many looks in a row without its reason an alert is cleared.
CLEAN_LOOKS = 2


@dataclass(frozen=True)
class Found:
    """What a look has found, by name: `at` the limits, and what still `holds` at four fifths of them.

    `unknown` names the parts of the fleet that could not be found out. `counts`: whether it comes long enough
    after the last one to be one of those that confirm or clear. `since` has, of what began before it could be
    found, when that was (ISO 8601).
    """

    at: Mapping[str, Reason] = field(default_factory=dict)
    holds: Mapping[str, Reason] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    counts: bool = True
    since: Mapping[str, str] = field(default_factory=dict)

    def with_past(self, reason: Reason, since: str) -> Found:
        """The same and this, which has begun then."""
        return replace(self, at={**self.at, reason.name: reason}, since={**self.since, reason.name: since})

    def is_known(self, name: str) -> bool:
        """Whether it could be found out that the alert of this name is none any more."""
        rule = rule_of(name)
        return rule is not None and not rule.parts & self.unknown


def changes(standing: Standing, found: Found, waiting: frozenset[str]) -> Iterator[Change | None]:
    """What changes; `waiting` are the names that earlier looks have found, and that wait for this one."""
    for name, reason in found.at.items():
        raised = standing.raised.get(name)
        if raised is not None:
            yield changing.found(standing, _steadied(raised, reason, found.holds.get(name)))
        elif _is_due(name, found, waiting):
            yield changing.found(standing, _alert(reason), found.since.get(name, ""))
    for name, raised in standing.raised.items():
        if name not in found.at and found.is_known(name):
            yield _missing(standing, raised, found)


def still_waiting(standing: Standing, found: Found, waiting: frozenset[str]) -> frozenset[str]:
    """The names that wait for the next look to confirm them."""
    new = {name for name in found.at if name not in standing.raised and not _is_due(name, found, waiting)}
    kept = {name for name in waiting if name not in found.at and not found.is_known(name)}
    return frozenset((new if found.counts else new & waiting) | kept)


def _is_due(name: str, found: Found, waiting: frozenset[str]) -> bool:
    rule = rule_of(name)
    return rule is not None and (not rule.is_confirmed or (found.counts and name in waiting))


def _missing(standing: Standing, raised: Raised, found: Found) -> Change | None:
    if raised.name in found.holds:
        held = found.holds[raised.name]
        severity = min(raised.severity, held.severity, key=SEVERITIES.index)
        sentence = held.leaving or held.sentence
        return changing.found(standing, Alert(raised.name, severity, sentence, component=raised.component))
    if not found.counts:
        return changing.absent(standing, raised.name)
    if raised.clean_looks + 1 < CLEAN_LOOKS:
        return changing.missed(standing, raised.name)
    return changing.gone(standing, raised.name)


def _steadied(raised: Raised, reason: Reason, holds: Reason | None) -> Alert:
    """As severe as it is, or as it was where it would still be that at four fifths of the limits."""
    lower = holds or reason
    held = min(raised.severity, lower.severity, key=SEVERITIES.index)
    severity = max(reason.severity, held, key=SEVERITIES.index)
    is_leaving = severity != reason.severity and severity == lower.severity
    sentence = (lower.leaving if is_leaving else "") or reason.sentence
    return Alert(reason.name, severity, sentence, component=reason.component)


def _alert(reason: Reason) -> Alert:
    return Alert(reason.name, reason.severity, reason.sentence, component=reason.component)
