"""How things stand: the alerts that are raised and the silences, as they were read at a moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.alerts import record
from orchestrator.alerts.record import Raised, Silence


@dataclass(frozen=True)
class Standing:
    """What Redis keeps, by name, at `now` of its clock; `stored` has the records as they lie there.

    They are changed only if they still are what was read.
    """

    now: datetime
    stored: Mapping[str, str] = field(default_factory=dict, repr=False)
    stored_silences: Mapping[str, str] = field(default_factory=dict, repr=False)
    raised: Mapping[str, Raised] = field(init=False)
    silences: Mapping[str, Silence] = field(init=False)

    def __post_init__(self) -> None:
        """Read the records."""
        object.__setattr__(self, "raised", record.read(self.stored, Raised.of))
        object.__setattr__(self, "silences", record.read(self.stored_silences, Silence.of))

    def silence_of(self, name: str) -> Silence | None:
        """The silence that keeps the alert of this name from being delivered; None where there is none."""
        return next((each for each in self.silences.values() if each.covers(name, self.now)), None)

    @property
    def stamp(self) -> str:
        """Now, as records have it."""
        return record.stamp(self.now)
