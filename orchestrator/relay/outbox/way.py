"""What the mover asks of the way that letters take from the outbox: to Kafka, or straight into the index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from orchestrator.relay.entry import Entry


class Way(Protocol):
    """Takes entries, and says later which are safe. None is lost with it: each is still in the stream."""

    has_overflow: bool
    """Whether it can have entries wait in PostgreSQL."""

    lets_go: bool
    """Whether it has dropped entries that are to be read once more."""

    @property
    def is_stalled(self) -> bool:
        """Whether nothing has got through for seconds, though something should."""

    @property
    def is_busy(self) -> bool:
        """Whether an answer is due soon."""

    def turn(self) -> None:
        """Work off what has come in, and try again what is due."""

    def room(self) -> int:
        """How many entries it can take now."""

    def take(self, entries: Sequence[Entry]) -> None:
        """Take these."""

    def wait(self, seconds: float, /) -> None:
        """Wait for an answer, but not longer."""

    def give_way(self, entries: int, /) -> int:
        """Have the oldest that it holds in PostgreSQL; returns how many. It may let go of the others."""

    def store(self, entries: Sequence[Entry], /) -> bool:
        """Have these in PostgreSQL."""

    def held(self) -> list[str]:
        """The ids in the stream of what it holds."""

    def take_safe(self) -> list[str]:
        """The ids of entries that are safe and can be forgotten, each once."""

    def state(self) -> dict[str, Any]:
        """What it does, as JSON."""

    def finish(self, within_seconds: float, /) -> None:
        """Wait for answers, and end."""
