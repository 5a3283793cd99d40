"""What alerts can be delivered to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from monitoring.alerts.delivering.answer import Answer
from monitoring.alerts.delivering.told import Told
from orchestrator.alerts.history import Entry
from orchestrator.alerts.record import Raised


class Destination(Protocol):
    """Each call is bounded in time, and raises nothing that is the other side's fault.

    `name` is what people call it, `identity` what its place in the history is kept under: another address is
    another destination. `remind_seconds`: how often it wants to be told of all that is raised; 0 for never.
    """

    name: str
    identity: str
    remind_seconds: float

    def wants(self, entry: Entry) -> bool:
        """Whether it takes changes of this kind at all."""
        ...

    def take(self, entry: Entry, told: Told | None) -> Answer:
        """Send it an entry; `told` is what it was told of the alert before."""
        ...

    def remind(self, raised: Sequence[Raised]) -> Answer:
        """Tell it again of all that is raised and that it was told of."""
        ...

    def close(self) -> None:
        """Let go of connections; also from another thread, while a call is under way, which then fails."""
        ...
