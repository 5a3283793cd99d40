"""What is judged of each component: of tasks how they end, of everything else how its calls end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitoring.recording.sums import Snapshot
from orchestrator.schedule import HOUSEKEEPING


@dataclass(frozen=True, slots=True)
class Failures:
    """How many tasks and calls have ended, and how many of these have failed; a task has when it died."""

    tasks: int = 0
    calls: int = 0
    failed: int = 0

    def __add__(self, other: Failures) -> Failures:
        """Both together."""
        return Failures(self.tasks + other.tasks, self.calls + other.calls, self.failed + other.failed)

    @property
    def ended(self) -> int:
        """All that could have failed."""
        return self.tasks + self.calls

    @property
    def percent(self) -> float:
        """The part that failed; 0 where nothing ended."""
        return 100 * self.failed / self.ended if self.ended else 0.0


def failures(snapshot: Snapshot, minutes: int) -> dict[str, Failures]:
    """By component, of the present minute and so many before it.

    What settlements have counted is exact, and a retry that helps is no failure. Where none were counted
    there are the calls: of code that is no task, and in a process that keeps its sums to itself.
    """
    recent = snapshot.recent(minutes)
    # A call may be counted a second after its task's end: in the first minute that is not forgotten yet.
    tasks = _tasks(snapshot, minutes + 1)
    found: dict[str, Failures] = {}
    for ended, count in recent.outcomes.items():
        if ended.outcome in {"succeeded", "dead_lettered"}:
            failed = count if ended.outcome == "dead_lettered" else 0
            found[ended.task] = found.get(ended.task, Failures()) + Failures(tasks=count, failed=failed)
    for key, calls in recent.calls.items():
        if key.component not in tasks:
            failed = calls.count if key.status == "error" else 0
            one = Failures(calls=calls.count, failed=failed)
            found[key.component] = found.get(key.component, Failures()) + one
    return found


def whole(by_component: Mapping[str, Failures]) -> Failures:
    """All of them but what beat sends for ourselves, which would make any rate look smaller."""
    found = Failures()
    for component, each in by_component.items():
        if component not in HOUSEKEEPING:
            found += each
    return found


def _tasks(snapshot: Snapshot, minutes: int) -> set[str]:
    return {
        ended.task
        for minute, sums in snapshot.minutes.items()
        if minute >= snapshot.minute - minutes
        for ended in sums.outcomes
    }
