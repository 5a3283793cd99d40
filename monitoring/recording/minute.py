"""The present minute of a recorder: dictionaries to add to."""

from __future__ import annotations

from collections import defaultdict
from math import inf

from monitoring.recording.sums import Calls, Key, Sums


class Cell:
    """The calls of one key, or the waits of one, in the minute."""

    __slots__ = ("buckets", "component", "least", "micros", "most")

    def __init__(self, component: str) -> None:
        self.component = component
        self.micros = 0
        self.least: float = inf
        self.most = 0
        self.buckets: defaultdict[int, int] = defaultdict(int)

    def calls(self) -> Calls:
        """As they are now."""
        buckets = dict(self.buckets)
        return Calls(sum(buckets.values()), self.micros, buckets, int(self.least), self.most)


class Minute:
    """What was recorded in it, or in a part of it; not thread-safe.

    Calls are kept by component, operation and success, waits by queue and task.
    """

    __slots__ = ("cells", "errors", "events", "waits")

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str, bool], Cell] = {}
        self.errors: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.events: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.waits: dict[tuple[str, str], Cell] = {}

    def sums(self) -> Sums:
        """As they are now."""
        # Copied in one step each: a signal's handler may record meanwhile.
        calls = {
            Key(component, operation, "success" if success else "error"): cell.calls()
            for (component, operation, success), cell in list(self.cells.items())
            if cell.buckets
        }
        waits = {where: cell.calls() for where, cell in list(self.waits.items()) if cell.buckets}
        return Sums(calls, dict(self.errors), dict(self.events), waits)
