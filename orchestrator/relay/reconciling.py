"""Has replays reconciled every ten seconds: letters whose replay was cut short or came to nothing."""

from __future__ import annotations

from threading import Event
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError

from orchestrator.relay.trouble import Trouble
from orchestrator.replay.reconciling import reconcile
from orchestrator.settings import Settings

_EVERY_SECONDS = 10.0


class Reconciler:
    """Reconciles until its end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._trouble = Trouble("reconciler")
        self._last: Any = None

    def run(self, stop: Event) -> None:
        """Reconcile at once and every ten seconds."""
        while not stop.is_set():
            try:
                self._last = reconcile(self._settings)
            except (psycopg.OperationalError, PoolTimeout, RedisError, OSError) as error:
                self._trouble.is_there(str(error).strip().partition("\n")[0])
            else:
                self._trouble.is_over()
            stop.wait(_EVERY_SECONDS)

    def state(self) -> dict[str, Any]:
        """What the last time came to, and what keeps it from going on."""
        return {"last": self._last, "error": self._trouble.error}
