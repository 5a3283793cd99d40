"""What a shared monitor reads: the sums and the surroundings of the fleet whose Redis the settings name."""

from __future__ import annotations

import os

from monitoring.judging.surroundings import Surroundings, of_this_process
from monitoring.recording.sums import Snapshot
from monitoring.rollup import processes, reading
from monitoring.rollup.reading import FleetSource, Seen
from orchestrator import settings
from orchestrator.errors import SettingsError
from orchestrator.settings import Settings


class Shared:
    """The process's one; its source is made when it is first asked, and anew in a child."""

    def __init__(self) -> None:
        self._present: tuple[int, Settings, FleetSource] | None = None

    def snapshot(self) -> Snapshot:
        """What the fleet has recorded; where Redis does not answer, this process, and why."""
        try:
            return self._fleet().snapshot()
        except SettingsError as error:
            return reading.alone(error)

    def seen(self) -> Seen:
        """The same, with the fleet's verdict and alerts."""
        try:
            return self._fleet().seen()
        except SettingsError as error:
            return Seen(reading.alone(error))

    def surroundings(self, snapshot: Snapshot) -> Surroundings:
        """Of all processes that record; of this one alone where that snapshot is."""
        here = of_this_process()
        if snapshot.trouble:
            return here
        return processes.surroundings(self._fleet().processes(), here)

    def _fleet(self) -> FleetSource:
        chosen, present = settings.current(), self._present
        if present is None or present[0] != os.getpid() or present[1] is not chosen:
            present = self._present = os.getpid(), chosen, FleetSource(chosen)
        return present[2]


shared = Shared()
