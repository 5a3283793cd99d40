"""The ledger of a generator: the tasks that it has made, what must become of each, and what was noted."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from celery import Celery

from orchestrator.enqueue import enqueue_many
from tests.acceptance.counted_tasks import RETRIES

QUEUE = "counted"
# What becomes of one of them, beside its retries.
_ENDS: dict[str, tuple[str, str]] = {
    "counted.succeed": ("succeeded", ""),
    "counted.heal": ("succeeded", ""),
    "counted.refuse": ("dead_lettered", "exception"),
    "counted.reject": ("dead_lettered", "rejected"),
    "counted.exhaust": ("dead_lettered", "retries_exhausted"),
}
_RETRIED = {"counted.heal", "counted.exhaust"}
_SHARES: dict[str, float] = {
    "counted.succeed": 0.9,
    "counted.refuse": 0.04,
    "counted.reject": 0.02,
    "counted.heal": 0.02,
    "counted.exhaust": 0.02,
}

Outcome = tuple[str, str, str]


@dataclass
class Ledger:
    """What was made with the tasks of an app: outcomes by (task, outcome, reason)."""

    app: Celery
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    made: int = 0

    def enqueue(self, count: int, seed: int) -> None:
        """Make so many tasks; one in ten works for some milliseconds."""
        chance = random.Random(seed)
        rows: defaultdict[str, list[list[float]]] = defaultdict(list)
        for task in chance.choices(list(_SHARES), weights=list(_SHARES.values()), k=count):
            seconds = chance.lognormvariate(-6.0, 0.7) if chance.random() < 0.1 else 0.0
            rows[task].append([seconds])
        for task, arguments in rows.items():
            enqueue_many(self.app.tasks[task], arguments, queue=QUEUE)
            self._expect(task, len(arguments))
        self.made += count

    def _expect(self, task: str, count: int) -> None:
        self.outcomes[(task, *_ENDS[task])] += count
        if task in _RETRIED:
            self.outcomes[task, "retried", ""] += count * RETRIES


@dataclass(frozen=True)
class Note:
    """One end of a call, as the process that told it has noted it."""

    pid: int
    at: float
    task: str
    success: bool
    seconds: float


def notes(folder: Path) -> Iterator[Note]:
    """Every note of every process; a last line that was cut off is none."""
    for file in folder.iterdir():
        for line in file.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                at, task, success, seconds = line.split()
                yield Note(int(file.name), float(at), task, success == "True", float(seconds))
