"""The relay as a process: each of its loops in a thread of its own, started again when it fails."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any, Protocol

import structlog

from orchestrator import recording, schema
from orchestrator.errors import SchemaError
from orchestrator.relay.indexing.indexer import Indexer
from orchestrator.relay.outbox.mover import Mover
from orchestrator.relay.reconciling import Reconciler
from orchestrator.relay.returning import Returner
from orchestrator.relay.trouble import Trouble
from orchestrator.relay.watching.heartbeat import Heartbeat
from orchestrator.relay.watching.watcher import Watcher
from orchestrator.retry.backoff import ceiling_seconds
from orchestrator.settings import Settings

_LOG = structlog.get_logger(__name__)
_RETRY_BASE_SECONDS, _RETRY_MOST_SECONDS = 0.5, 10.0
# How long the loops have to hand over what they hold, all together. What they do not manage stays pending.
_END_SECONDS = 5.0


class Loop(Protocol):
    """What the relay is made of."""

    def run(self, stop: Event) -> None:
        """Work until `stop` is set, and end soon after."""

    def state(self) -> dict[str, Any]:
        """What it does, as JSON."""


def new_name() -> str:
    """A name for this life of this process, which begins with that of its host."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}"


def run(settings: Settings, stop: Event, name: str | None = None) -> None:
    """Be a relay until `stop` is set; returns a few seconds later at most.

    It starts whatever servers are away: what the outbox holds goes to Kafka also while PostgreSQL is not
    there, the rest begins when the schema is.
    """
    recording.begin("relay")
    _Relay(settings, name or new_name()).run(stop)


class _Relay:
    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._schema = Trouble("schema")
        self._loops: dict[str, Loop] = {}
        self._threads: list[Thread] = []

    def run(self, stop: Event) -> None:
        _LOG.info("relay_starts", relay=self._name)
        heartbeat = Heartbeat(self._settings, self._name, self.states)
        self._start("heartbeat", heartbeat, stop)
        self._start("watcher", Watcher(self._settings, self._name), stop)
        if self._settings.kafka_enable_dlq:
            self._start("mover", Mover(self._settings, self._name), stop)
        # Waiting for PostgreSQL must not delay the end.
        self._thread("schema", lambda: self._start_rest(heartbeat, stop))
        stop.wait()
        self._end()

    def states(self) -> dict[str, Any]:
        """What every loop says of itself."""
        said = {name: loop.state() for name, loop in self._loops.copy().items()}
        return said | {"schema": {"error": self._schema.error}}

    def _start_rest(self, heartbeat: Heartbeat, stop: Event) -> None:
        if not self._has_schema(stop):
            return
        if self._settings.kafka_enable_dlq:
            self._start("indexer", Indexer(self._settings), stop)
        else:
            self._start("mover", Mover(self._settings, self._name), stop)
        self._start("returner", Returner(self._settings), stop)
        self._start("reconciler", Reconciler(self._settings), stop)
        while not stop.is_set():
            if heartbeat.was_heard.wait(0.5):
                _LOG.info("relay_ready", relay=self._name)
                return

    def _has_schema(self, stop: Event) -> bool:
        attempt = 0
        while not stop.is_set():
            try:
                schema.migrate(self._settings.database_url)
            except SchemaError as error:
                self._schema.is_there(str(error))
                stop.wait(_pause(attempt))
                attempt += 1
            else:
                self._schema.is_over()
                return True
        return False

    def _start(self, name: str, loop: Loop, stop: Event) -> None:
        self._loops[name] = loop
        self._thread(name, lambda: keep_running(name, loop, stop))

    def _thread(self, name: str, work: Callable[[], None]) -> None:
        # What hangs in a server that is away must not keep the process alive.
        thread = Thread(target=work, name=f"relay-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _end(self) -> None:
        until = time.monotonic() + _END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late:
            _LOG.warning("relay_ends_early", relay=self._name, still_busy=late)
        else:
            _LOG.info("relay_has_ended", relay=self._name)


def keep_running(name: str, loop: Loop, stop: Event) -> None:
    """Run the loop until `stop` is set; one that fails is told with its traceback, and run again."""
    attempt = 0
    while not stop.is_set():
        began = time.monotonic()
        try:
            loop.run(stop)
        except Exception:
            _LOG.exception("relay_loop_failed", loop=name)
        if time.monotonic() - began > _RETRY_MOST_SECONDS:
            attempt = 0
        if not stop.is_set():
            stop.wait(_pause(attempt))
            attempt += 1


def _pause(attempt: int) -> float:
    return ceiling_seconds(attempt, _RETRY_BASE_SECONDS, _RETRY_MOST_SECONDS)
