"""Tells of what a sweep ends as a worker would: by Celery's events, which nothing waits for."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from celery import Celery
from celery.utils.nodenames import gethostname, nodename

from orchestrator import logger
from orchestrator.timeouts import running

_LOG = logger.get(__name__)


class Announcer:
    """What Celery's requests take for a worker's dispatcher of events; it connects when there is one to send.

    Any thread may send. Nothing is raised: an event that cannot be sent is dropped.
    """

    def __init__(self, app: Celery) -> None:
        self.enabled = True
        self._app = app
        self._opening = threading.Lock()
        self._connection: Any = None
        self._dispatcher: Any = None

    def send(self, event: str, **fields: Any) -> None:
        """Send it, unless all is over."""
        try:
            dispatcher = self._open()
            if dispatcher is not None:
                dispatcher.send(event, **fields)
        except Exception as error:
            _LOG.debug("event_not_sent", event_type=event, error=str(error))

    def close(self) -> None:
        """Send nothing more, and let go of the connection."""
        with self._opening:
            self.enabled = False
            connection, self._connection, self._dispatcher = self._connection, None, None
        if connection is not None:
            with suppress(Exception):
                connection.release()

    def _open(self) -> Any:
        with self._opening:
            if self.enabled and self._dispatcher is None:
                self._connection = self._app.connection_for_write()
                # The worker's own name, or one that stays: programs that listen count by it.
                name = running.worker_name or nodename("omninode-sweep", gethostname())
                self._dispatcher = self._app.events.Dispatcher(
                    self._connection, name, buffer_while_offline=False
                )
            return self._dispatcher
