"""Counts how operations end: of each name, for a bounded number of names.

Nothing is locked: a number goes up between two moments at which the interpreter may turn to another thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

# Names are the caller's; of more than these the counts are kept together.
MOST_NAMES = 1000
OTHERS = "(others)"


@dataclass(slots=True)
class Tally:
    """How operations of one name have ended.

    `completed`, `failed` and `cancelled` (from outside) exclude each other. A timeout is a failure, and so is
    that of an enclosing operation; a grace recovery is a completion.
    """

    started: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    warnings: int = 0
    timeouts: int = 0
    grace_recoveries: int = 0
    global_timeouts: int = 0

    @property
    def active(self) -> int:
        """How many run now."""
        return self.started - self.completed - self.failed - self.cancelled

    def told(self) -> dict[str, Any]:
        """It as JSON has it."""
        return {**asdict(self), "active": self.active}


class Tallies:
    """Those of a manager, by name."""

    def __init__(self, most_names: int = MOST_NAMES) -> None:
        self._most_names = most_names
        self._others = Tally()
        self.by_name: dict[str, Tally] = {}

    def of(self, name: str) -> Tally:
        """That of this name; of a name too many, the one of all those."""
        tally = self.by_name.get(name)
        if tally is not None:
            return tally
        if len(self.by_name) >= self._most_names:
            return self._others
        return self.by_name.setdefault(name, Tally())

    def told(self) -> dict[str, Any]:
        """The sums of all, and `operations`: each name's."""
        operations = {name: tally.told() for name, tally in self.by_name.copy().items()}
        if self._others.started:
            operations[OTHERS] = self._others.told()
        sums = {field: _sum(field, operations.values()) for field in Tally().told()}
        return {**sums, "operations": operations}


def _sum(field: str, counts: Iterable[dict[str, Any]]) -> int:
    return sum(each[field] for each in counts)
