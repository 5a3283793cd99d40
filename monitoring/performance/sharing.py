"""What a shared monitor reads: the sums and the surroundings of the fleet whose Redis the settings name."""

from __future__ import annotations

from monitoring.judging.surroundings import Surroundings, of_this_process
from monitoring.recording.sums import Snapshot
from monitoring.rollup import processes, reading
from monitoring.rollup.reading import FleetSource
from orchestrator import settings
from orchestrator.errors import SettingsError
from orchestrator.settings import Settings


class Shared:
    """Makes its source when it is first asked, and another one when the settings are others."""

    def __init__(self) -> None:
        self._of: Settings | None = None
        self._source: FleetSource | None = None

    def snapshot(self) -> Snapshot:
        """What the fleet has recorded; where Redis does not answer, this process, and why."""
        try:
            return self._present().snapshot()
        except SettingsError as error:
            return reading.alone(error)

    def surroundings(self, snapshot: Snapshot) -> Surroundings:
        """Of all processes that record; of this one alone where that snapshot is."""
        here = of_this_process()
        if snapshot.trouble:
            return here
        return processes.surroundings(self._present().processes(), here)

    def _present(self) -> FleetSource:
        chosen = settings.current()
        source = self._source
        if source is None or self._of is not chosen:
            source = self._source = FleetSource(chosen)
            self._of = chosen
        return source
