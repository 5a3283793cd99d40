"""What a destination believes, and whether an entry of the history is news to it: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.alerts.history import Entry

# How others read it; both of each pair are the same to them.
CHANGES: Mapping[str, str] = {
    "raised": "raised",
    "still_raised": "raised",
    "severity": "changed",
    "cleared": "cleared",
    "acknowledged": "acknowledged",
    "silenced": "silenced",
    "unsilenced": "unsilenced",
    "silence_ended": "unsilenced",
    "test": "test",
}


@dataclass(frozen=True)
class Told:
    """An alert that a destination was told of, as it was told: it believes that it is raised.

    Unless `is_sure` it was sent, and nobody knows whether it arrived. `changes`: how often it has changed.
    """

    severity: str
    since: str
    component: str | None = None
    is_sure: bool = True
    changes: int = field(default=0, compare=False)


def is_news(entry: Entry, told: Told | None) -> bool:
    """Whether a destination is told of this; `told` is what it believes of the alert.

    What is silenced or acknowledged is not announced; but whoever was told of a beginning is told of its end.
    """
    change = CHANGES.get(entry.event)
    if change in {"raised", "changed"}:
        return entry.deliver and told != after(entry)
    if change == "cleared":
        return told is not None and (told.since == entry.since or not entry.since)
    if change == "acknowledged":
        return told is not None
    # A trial goes to its destination by itself.
    return change in {"silenced", "unsilenced"}


def is_beginning(entry: Entry) -> bool:
    """Whether it says that an alert is raised, or how severe it has become."""
    return CHANGES.get(entry.event) in {"raised", "changed"}


def after(entry: Entry, told: Told | None = None) -> Told | None:
    """What is believed of the alert once this was told, and `told` before it; None: it is not raised."""
    if entry.event == "cleared":
        return None
    changes = told.changes + 1 if told and told.since == entry.since else 0
    return Told(entry.severity, entry.since, entry.component, changes=changes)


def changes_belief(entry: Entry) -> bool:
    """Whether it says that an alert is raised, how, or that it is not."""
    return CHANGES.get(entry.event) in {"raised", "changed", "cleared"}
