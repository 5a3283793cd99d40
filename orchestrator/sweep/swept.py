"""What a sweep has done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Swept:
    """Messages looked at in queues without workers, and those that were ended, by reason and by queue.

    In a dry run they would be. `unsettled` are back in their queues: the result backend did not hear of them.
    """

    queues: set[str] = field(default_factory=set)
    looked_at: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    by_queue: Counter[str] = field(default_factory=Counter)
    unsettled: int = 0
    is_dry_run: bool = False

    def count(self, reason: str, queue: str) -> None:
        """One more was ended."""
        self.ended[reason] += 1
        self.by_queue[queue] += 1

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            "queues": sorted(self.queues),
            "looked_at": self.looked_at,
            "ended": dict(sorted(self.ended.items())),
            "by_queue": dict(sorted(self.by_queue.items())),
            "unsettled": self.unsettled,
            "dry_run": self.is_dry_run,
        }
