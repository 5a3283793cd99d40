"""Where sums come from: this process's own recorder, or whatever else knows sums."""

from __future__ import annotations

from typing import Protocol

from monitoring.recording.sums import Snapshot


class Source(Protocol):
    """What a monitor reads. It may take a while, as where a server is asked: no event loop waits for it."""

    def snapshot(self) -> Snapshot:
        """What is known now."""
