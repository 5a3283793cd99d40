"""What runs in this process now, and until when: a table in memory, two dictionary steps an entry."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["running", "grace", "stopping"]


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


class Table:
    """What runs in one process. `on_first` is called when there is something after there was nothing."""

    def __init__(self, on_first: Callable[[], None] | None = None) -> None:
        self._entries: dict[int, Running] = {}
        self.on_first = on_first

    def enter(self, entry: Running) -> None:
        """It has begun."""
        was_empty = not self._entries
        self._entries[id(entry)] = entry
        if was_empty and self.on_first:
            self.on_first()

    def leave(self, entry: Running) -> None:
        """It has ended; one that was never entered is no error."""
        self._entries.pop(id(entry), None)

    def entries(self) -> list[Running]:
        """All of them, oldest first."""
        return sorted(self._entries.copy().values(), key=lambda entry: entry.began)

    def forget(self) -> None:
        """Nothing runs here: this process was forked."""
        self._entries.clear()


# That of this process.
table = Table()
os.register_at_fork(after_in_child=table.forget)
