"""Watches over the dead letters: one relay at a time measures, and raises and clears the alerts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from threading import Event
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from redis import Redis
from redis.exceptions import RedisError

from orchestrator import broker, keys, postgres
from orchestrator.alerts.store import Store
from orchestrator.relay.outbox import backlog as outbox
from orchestrator.relay.trouble import Trouble
from orchestrator.relay.watching import alarms, alerting, heartbeat, measuring
from orchestrator.relay.watching.measuring import Indexed
from orchestrator.settings import Settings

_LOOK_SECONDS = 1.0
# PostgreSQL has to count: it is asked less often.
_ASK_SECONDS = 5.0
_ANSWER_SECONDS = 4.0
_TURN_MS = 15_000
# KEYS alerting; ARGV relay, ms; returns whether it is this relay's turn.
_TAKE_TURN = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""


class Watcher:
    """Judges every second, as the relay `name`, while no other relay does."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._prefix = settings.key_prefix
        self._limits = alerting.limits(settings)
        self._index = _Index(settings)
        self._trouble = Trouble("watcher")
        self._has_turn = False
        self._raised: list[str] = []

    def run(self, stop: Event) -> None:
        """Judge until the end."""
        with broker.client(self._settings, decode=True) as client:
            while not stop.is_set():
                self._look(client)
                stop.wait(_LOOK_SECONDS)
            self._index.close()
            with suppress(RedisError, OSError):
                if client.get(keys.alerting(self._prefix)) == self._name:
                    client.delete(keys.alerting(self._prefix))

    def state(self) -> dict[str, Any]:
        """Whether it is the one that judges, what is raised, and what PostgreSQL last said."""
        figures = self._index.figures if self._has_turn else None
        return {
            "judges": self._has_turn,
            "alerts": self._raised,
            "index": asdict(figures) if figures else None,
            "error": self._trouble.error,
        }

    def _look(self, client: Redis) -> None:
        try:
            turn: Any = client.eval(_TAKE_TURN, 1, keys.alerting(self._prefix), self._name, str(_TURN_MS))
            self._has_turn = bool(turn)
            if self._has_turn:
                self._judge(client)
        except (RedisError, OSError) as error:
            self._has_turn = False
            self._trouble.is_there(f"Redis does not answer: {error}")
        else:
            self._trouble.is_over()

    def _judge(self, client: Redis) -> None:
        self._index.ask()
        store, waiting = Store(client, self._prefix), outbox.measure(client, self._prefix)
        standing = store.read()
        figures = _figures(waiting, self._index, heartbeat.heard(client, self._prefix))
        alerts = alerting.judge(figures, self._limits, alarms.ours(standing.raised))
        alarms.tell(store, standing, alerts)
        self._raised = [alert.name for alert in alerts]


class _Index:
    """What PostgreSQL last said, and for how long it has said nothing."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.database_url
        self._connection: psycopg.Connection[TupleRow] | None = None
        self._ask_at = self._answered_at = time.monotonic()
        self.figures: Indexed | None = None
        self.error = ""

    @property
    def silent_seconds(self) -> float:
        """For how long it has not answered."""
        return time.monotonic() - self._answered_at if self.error else 0.0

    def ask(self) -> None:
        """Ask it, if the last time was long enough ago."""
        if time.monotonic() < self._ask_at:
            return
        try:
            connection = self._connection = self._connection or postgres.connect(self._url, _ANSWER_SECONDS)
            with postgres.cut_off_after(_ANSWER_SECONDS, connection):
                self.figures = measuring.indexed(connection)
        except (psycopg.Error, OSError) as error:
            self.close()
            self.figures, self.error = None, str(error).strip().partition("\n")[0]
        else:
            self._answered_at, self.error = time.monotonic(), ""
        self._ask_at = time.monotonic() + _ASK_SECONDS

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection:
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection = None


def _figures(
    waiting: outbox.Outbox, index: _Index, relays: Mapping[str, Mapping[str, Any]]
) -> alerting.Figures:
    found = index.figures
    return alerting.Figures(
        outbox=waiting.length,
        outbox_seconds=max(waiting.oldest_seconds, found.overflow_seconds if found else 0.0),
        overflow=found.overflow if found else None,
        refused=found.refused if found else None,
        kafka_error=_said(relays, "mover", "error") or "",
        open_letters=found.open_letters if found else None,
        letters_per_minute=found.letters_per_minute if found else None,
        open_letter_hours=found.open_letter_hours if found else None,
        index_seconds=_said(relays, "indexer", "behind_seconds"),
        index_error=_said(relays, "indexer", "error") or "",
        postgresql_seconds=index.silent_seconds,
        postgresql_error=index.error,
    )


def _said(relays: Mapping[str, Mapping[str, Any]], loop: str, what: str) -> Any:
    """What the loops of this name say; None where none of them says anything."""
    said = ((state.get(loop) or {}).get(what) for state in relays.values())
    return next((each for each in said if each not in {None, ""}), None)
