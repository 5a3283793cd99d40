"""Has replays reconciled every ten seconds: letters whose replay was cut short or came to nothing."""

from __future__ import annotations

from threading import Event
from typing import Any

import psycopg

from orchestrator.relay.trouble import Trouble
from orchestrator.replay.reconciling import Account, reconcile
from orchestrator.settings import Settings

_EVERY_SECONDS = 10.0


class Reconciler:
    """Reconciles until its end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._trouble = Trouble("reconciler")
        self._last: Account | None = None

    def run(self, stop: Event) -> None:
        """Reconcile at once and every ten seconds."""
        while not stop.is_set():
            try:
                self._last = reconcile(self._settings)
            except (psycopg.OperationalError, OSError) as error:
                self._tell(f"PostgreSQL: {str(error).strip()}")
            else:
                self._tell(self._last["error"])
            stop.wait(_EVERY_SECONDS)

    def _tell(self, error: str) -> None:
        if error:
            self._trouble.is_there(error.partition("\n")[0])
        else:
            self._trouble.is_over()

    def state(self) -> dict[str, Any]:
        """What the last time came to, and what keeps it from going on."""
        return {"last": self._last, "error": self._trouble.error}
