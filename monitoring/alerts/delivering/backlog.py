"""Which entries of a long backlog nobody needs to hear of any more: pure."""

from __future__ import annotations

from collections.abc import Sequence

from monitoring.alerts.delivering.told import CHANGES
from orchestrator.alerts.history import Entry

# Up to so many are told one by one, as they happened.
LONG_ENTRIES = 100
_OVERTAKEN = frozenset({"raised", "changed", "acknowledged"})


def overtaken(waiting: Sequence[Entry], long_entries: int = LONG_ENTRIES) -> frozenset[str]:
    """The ids of entries, of those that wait, of alerts that are cleared further on in them.

    A destination that was away for long is told how things are, not all that has come and gone meanwhile. The
    end of an alert whose beginning it was told of is not among these.
    """
    if len(waiting) <= long_entries:
        return frozenset()
    over: set[str] = set()
    found = set()
    for entry in reversed(waiting):
        if entry.event == "cleared":
            over.add(entry.alert)
        elif entry.alert in over and CHANGES.get(entry.event) in _OVERTAKEN:
            found.add(entry.id)
    return frozenset(found)
