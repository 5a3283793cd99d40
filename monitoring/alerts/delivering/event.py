"""Alerts as Celery's events of the type `alert`: for `celery events`, Flower and whoever else listens."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from celery import Celery, _state
from celery.utils.nodenames import gethostname, nodename

from monitoring.alerts.delivering.answer import TAKEN, Answer
from monitoring.alerts.delivering.told import CHANGES, Told
from orchestrator import broker, redaction
from orchestrator.alerts.history import Entry
from orchestrator.alerts.record import Raised
from orchestrator.settings import Settings
from orchestrator.transport import options

# Not "task-…": programs that show tasks would take it for a state that a task is in.
EVENT = "alert"


class Events:
    """Sends them through a dispatcher of its own: those of a worker's tasks may be switched off."""

    name = "event"
    identity = "event"
    remind_seconds = 0.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: Any = None
        self._dispatcher: Any = None

    def wants(self, entry: Entry) -> bool:
        """All that is told at all."""
        return entry.event in CHANGES

    def take(self, entry: Entry, told: Told | None) -> Answer:  # noqa: ARG002 (nobody keeps anything)
        """Send it to whoever listens now."""
        try:
            self._open().send(
                EVENT,
                id=entry.id,
                change=CHANGES[entry.event],
                name=entry.alert,
                severity=entry.severity,
                before=entry.before,
                component=entry.component,
                sentence=redaction.text(entry.sentence),
                since=entry.since,
                until=entry.until,
                who=entry.who,
                why=redaction.text(entry.why),
                at=entry.at,
            )
        except Exception as error:
            self.close()
            return Answer("away", f"the broker does not take events: {redaction.text(str(error))}")
        return TAKEN

    def remind(self, raised: Sequence[Raised]) -> Answer:  # noqa: ARG002
        """Nobody needs it."""
        return TAKEN

    def close(self) -> None:
        """Let go of the connection."""
        with suppress(Exception):
            if self._connection is not None:
                self._connection.release()
        self._connection = self._dispatcher = None

    def _open(self) -> Any:
        if self._dispatcher is None:
            # One that is frozen: Celery's own connection would wait for it for longer than anybody has time.
            broker.reach(self._settings)
            app = _app(self._settings)
            self._connection = app.connection_for_write()
            # A name that stays: programs that listen count by it.
            name = nodename("omninode-alerts", gethostname())
            self._dispatcher = app.events.Dispatcher(self._connection, name, buffer_while_offline=False)
        return self._dispatcher


def _app(settings: Settings) -> Celery:
    # A worker's own: it may have other names for its exchanges. `current_app` would make one where none is.
    own: Celery | None = getattr(_state, "default_app", None)
    if own is not None and own.conf.broker_url == settings.broker_url:
        return own
    app = Celery("omninode-alerts", broker=settings.broker_url, set_as_current=False)
    app.conf.update(
        broker_transport_options=options.of(settings) | {"global_keyprefix": settings.key_prefix},
        event_serializer="json",
    )
    return app
