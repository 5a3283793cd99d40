"""What runs in this process now, and until when: a table in memory, two dictionary steps an entry."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, Protocol

State = Literal["running", "grace", "stopping"]
# Whose limit comes next; "grace" ends what an operation may still do after its own.
Next = Literal["soft", "hard", "operation", "grace", "deadline"]

# A hard limit that a deadline has shrunk ends when the deadline does, as far as two clocks agree.
_SAME_SECONDS = 0.5


@dataclass(slots=True, eq=False)
class Running:
    """A task or an operation that runs; moments are `time.monotonic()` unless they are in Unix seconds.

    `warn_at` is when a warning is due, `limit_at` when it is told to stop (None: never), `ends_at` when it is
    stopped for good (the hard limit, or the end of the grace period); `deadline` that of its task, in Unix
    seconds. `state` is "grace" after its limit, "stopping" after its end. `explained` says where an adaptive
    limit is from.
    """

    kind: Literal["task", "operation"]
    name: str
    began: float
    started_at: float
    """Unix seconds."""
    warn_at: float | None = None
    limit_at: float | None = None
    ends_at: float | None = None
    deadline: float | None = None
    task_id: str = ""
    pid: int = field(default_factory=os.getpid)
    state: State = "running"
    was_warned: bool = False
    explained: Mapping[str, Any] | None = None

    def shown(self) -> Running:
        """It is its own row of the table."""
        return self

    def state_at(self, now: float) -> State:
        """Its state, also where nobody has told of one: `now` is `time.monotonic()`."""
        if self.state != "running":
            return self.state
        if self.ends_at is not None and now >= self.ends_at:
            return "stopping"
        return "grace" if self.limit_at is not None and now >= self.limit_at else "running"

    def next_limit(self, now: float, unix_now: float) -> tuple[Next, float] | None:
        """Which limit comes next, and when by the monotonic clock; the last one where all are over.

        An end that a deadline has brought forward is called that; a soft limit before it stays one.
        """
        deadline_at = self._deadline_at(now, unix_now)
        is_task = self.kind == "task"
        ends: list[tuple[float, Next]] = []
        if self.limit_at is not None:
            ends.append((self.limit_at, "soft" if is_task else "operation"))
        if self.ends_at is not None:
            ends.append((self.ends_at, "hard" if is_task else "grace"))
        if deadline_at is not None:
            ends.append((deadline_at, "deadline"))
        if not ends:
            return None
        coming = [end for end in ends if end[0] > now]
        at, name = min(coming) if coming else max(ends)
        return ("deadline" if at == self.ends_at and self.is_shrunk(now, unix_now) else name), at

    def is_shrunk(self, now: float, unix_now: float) -> bool:
        """Whether it ends when its deadline does: that may have shortened its other limits too."""
        deadline_at = self._deadline_at(now, unix_now)
        return deadline_at is not None and (
            self.ends_at is None or deadline_at - self.ends_at < _SAME_SECONDS
        )

    def _deadline_at(self, now: float, unix_now: float) -> float | None:
        return None if self.deadline is None else self.deadline - unix_now + now


class Entry(Protocol):
    """What can be entered: most of what runs has ended before anybody looks, and is never made a row."""

    def shown(self) -> Running:
        """Its row, the same one each time; any thread may ask."""


class Table:
    """What runs in one process.

    `on_first` is called when something begins while nobody looks; whoever looks by itself takes it away
    meanwhile, so that most entries ask nobody.
    """

    def __init__(self, on_first: Callable[[], None] | None = None) -> None:
        self._entries: dict[int, Entry] = {}
        self.on_first = on_first

    def enter(self, entry: Entry) -> None:
        """It has begun."""
        self._entries[id(entry)] = entry
        # Asked last: who puts it back looks at the entries after that.
        on_first = self.on_first
        if on_first:
            on_first()

    def leave(self, entry: Entry) -> None:
        """It has ended; one that was never entered is no error."""
        self._entries.pop(id(entry), None)

    def entries(self) -> list[Running]:
        """All of them, oldest first."""
        rows = [entry.shown() for entry in self._entries.copy().values()]
        return sorted(rows, key=lambda row: row.began)

    def __len__(self) -> int:
        return len(self._entries)

    def forget(self) -> None:
        """Nothing runs here: this process was forked."""
        self._entries.clear()


def introduce(worker: str) -> None:
    """This process, and those that it forks, are this worker's."""
    global worker_name  # noqa: PLW0603 (a process is one worker's)
    worker_name = worker


def _show() -> None:
    """Show it to the fleet: what does that is loaded by the first process that has something to show."""
    import_module("orchestrator.timeouts.publishing").wake()


# Empty where this process is no worker's.
worker_name = ""
# That of this process.
table = Table(_show)
os.register_at_fork(after_in_child=table.forget)
