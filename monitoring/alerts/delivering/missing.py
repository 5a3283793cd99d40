"""What a destination has not heard although the history is told to its end: pure.

It came late, an alert was silenced when it was raised, or the history has forgotten what it has missed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from monitoring.alerts.delivering.told import Told
from orchestrator.alerts.history import Entry
from orchestrator.alerts.record import Raised
from orchestrator.alerts.standing import Standing


def missing(told: Mapping[str, Told], standing: Standing) -> Iterator[Entry]:
    """The entries that lead from what the destination believes to how things stand, ends first."""
    for name, each in told.items():
        now = standing.raised.get(name)
        if now is None or now.since != each.since:
            yield _cleared(name, each, standing)
    for name, raised in standing.raised.items():
        before = told.get(name)
        is_known = before is not None and before.is_sure and before.since == raised.since
        if before and is_known and before.severity == raised.severity:
            continue
        if standing.silence_of(name) is None and raised.acknowledged is None:
            yield _raised("severity" if is_known else "still_raised", raised, before, standing)


def _cleared(name: str, told: Told, standing: Standing) -> Entry:
    return Entry(
        id=_identity("cleared", name, told.since),
        at=standing.now.timestamp(),
        event="cleared",
        alert=name,
        severity=told.severity,
        sentence="it is not raised any more",
        component=told.component,
        since=told.since,
        deliver=True,
    )


def _raised(event: str, raised: Raised, before: Told | None, standing: Standing) -> Entry:
    # How often it has changed: one that gets worse for the second time is no double of the first.
    count = str(before.changes) if before and before.since == raised.since else "0"
    return Entry(
        id=_identity(event, raised.name, raised.since, raised.severity, count),
        at=standing.now.timestamp(),
        event=event,
        alert=raised.name,
        severity=raised.severity,
        before=before.severity if before and event == "severity" else "",
        sentence=raised.present_sentence,
        component=raised.component,
        since=raised.since,
        deliver=True,
    )


def _identity(*about: str) -> str:
    # The same for each try, so that the receiver can tell doubles.
    return hashlib.sha256("\0".join(about).encode()).hexdigest()[:24]
