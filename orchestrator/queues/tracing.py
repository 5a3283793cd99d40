"""Everything that is known of one task: its messages, its result, its dead letters; and what is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
from celery import states
from celery.backends.base import DisabledBackend
from celery.utils.saferepr import saferepr
from kombu.exceptions import OperationalError
from psycopg.errors import UndefinedTable
from redis.exceptions import RedisError

from orchestrator import postgres, redaction, redis, settings
from orchestrator.breaker.outlook import outlook
from orchestrator.breaker.store import Store
from orchestrator.index import story
from orchestrator.index.story import Story
from orchestrator.queues import asking, overflow, whereabouts
from orchestrator.queues.placed import Placed

_AWAY = (OperationalError, RedisError, OSError, psycopg.Error)
_RESULT_CHARACTERS = 500

_T = TypeVar("_T")


@dataclass(frozen=True)
class Result:
    """What the result backend has: the state, when it was reached, and what was returned or raised."""

    state: str
    at: str
    value: str


@dataclass
class Trace:
    """What was found of a task.

    `searched` names what was asked, `unknown` what could not be, and why; `is_complete` says that nothing was
    away.
    """

    task_id: str
    messages: list[Placed] = field(default_factory=list)
    result: Result | None = None
    revoked_at: str = ""
    letters: list[Story] = field(default_factory=list)
    searched: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    is_complete: bool = True

    @property
    def is_found(self) -> bool:
        """Whether anything says that there is, or was, such a task."""
        return bool(self.messages or self.result or self.revoked_at or self.letters)

    def ask(self, what: str, about: Callable[[], _T], otherwise: _T) -> _T:
        """Ask one place; where it is away, that is what is known of it."""
        try:
            answer = about()
        except _AWAY as error:
            self.is_complete = False
            self.unknown.append(f"{what}: {redaction.printable(' '.join(str(error).split()))}")
            return otherwise
        self.searched.append(what)
        return answer


def trace(app: Any, database_url: str, task_id: str, *, whole: bool = False) -> Trace:
    """Ask the broker, the result backend and PostgreSQL; what is away is said to be, and the rest is told.

    With `whole` also lists of no known queue are looked through.
    """
    found = Trace(task_id)
    lists = "all lists" if whole else "the queues " + ", ".join(sorted(app.amqp.queues))
    broker = f"{lists}, and what is delayed, set aside, in flight, held by stock Celery or in the outbox"
    nothing: tuple[list[Placed], str] = [], ""
    found.messages, found.revoked_at = found.ask(
        broker, lambda: _in_the_broker(app, task_id, whole=whole), nothing
    )
    if names := sorted({each.breaker for each in found.messages if each.place == "set aside"}):
        unknown: dict[str, str] = {}
        circuits = found.ask(f"the breaker of {', '.join(names)}", lambda: _circuits(names), unknown)
        found.messages = [_with_circuit(each, circuits) for each in found.messages]
    if isinstance(app.backend, DisabledBackend) or app.backend.as_uri().startswith("rpc:"):
        found.unknown.append("its result: this app keeps none that can be asked for")
    else:
        found.result = found.ask("the result backend", lambda: _result(app, task_id), None)
    # In the order in which a letter moves.
    found.messages += found.ask(
        "what waits in PostgreSQL for Kafka", lambda: _overflown(database_url, task_id), []
    )
    found.letters = found.ask("the dead letters", lambda: _letters(database_url, task_id), [])
    return found


def _in_the_broker(app: Any, task_id: str, *, whole: bool) -> tuple[list[Placed], str]:
    with asking.channel(app) as channel:
        messages = whereabouts.find(channel, app.amqp.queues, task_id, whole=whole)
        return messages, whereabouts.revoked_at(channel, task_id)


def _circuits(names: list[str]) -> dict[str, str]:
    chosen = settings.current()
    with redis.connect(chosen.redis_url, redis.COMMAND_TIMEOUT_SECONDS, retries=0) as client:
        states = Store(client, chosen.key_prefix).read(names)
    return {state.name: outlook(state, time.time()) for state in states}


def _with_circuit(placed: Placed, circuits: Mapping[str, str]) -> Placed:
    return (
        replace(placed, circuit=circuits.get(placed.breaker, "")) if placed.place == "set aside" else placed
    )


def _result(app: Any, task_id: str) -> Result | None:
    if urlsplit(app.conf.result_backend or "").scheme in {"redis", "rediss"}:
        # Celery's own client waits, and tries again, for minutes.
        redis.reach(app.conf.result_backend)
    meta = app.backend.get_task_meta(task_id, cache=False)
    if meta["status"] == states.PENDING:
        # Celery's word for what it has never heard of.
        return None
    value = redaction.printable(saferepr(meta.get("result"), _RESULT_CHARACTERS))
    return Result(redaction.printable(meta["status"]), str(meta.get("date_done") or ""), value)


def _overflown(database_url: str, task_id: str) -> list[Placed]:
    with postgres.connect(database_url) as connection:
        return overflow.find(connection, task_id)


def _letters(database_url: str, task_id: str) -> list[Story]:
    try:
        with postgres.connect(database_url) as connection:
            found = [story.story(connection, letter.id) for letter in story.of_task(connection, task_id)]
    except UndefinedTable:
        # No letter has ever been indexed there.
        return []
    return [each for each in found if each]
