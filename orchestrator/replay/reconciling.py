"""Ends replays that were cut short: batches that nobody confirmed, letters whose message is gone."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, TypedDict

from psycopg import Connection
from redis.exceptions import RedisError

from orchestrator import postgres, redaction
from orchestrator.errors import InvalidEdit, InvalidFilter, ReplayInterrupted, UnknownOperation
from orchestrator.replay import missing, order, unconfirmed
from orchestrator.replay.broker import channel
from orchestrator.settings import Settings

# Whoever has claimed it has had the time to push it.
_AFTER_SECONDS = 60.0
_MOST_BATCHES = 20


class Account(TypedDict):
    """What was done: letters claimed before that are enqueued now, and lost ones that are open again.

    `error` keeps it from going on; '': nothing does.
    """

    enqueued: int
    opened: int
    error: str


def reconcile(settings: Settings) -> Account:
    """Do some of it; meant to be called every few seconds, by any number of relays at the same time.

    Raises:
        psycopg.OperationalError: PostgreSQL is away.
    """
    account = Account(enqueued=0, opened=0, error="")
    with postgres.connect(settings.database_url) as connection:
        try:
            _enqueue(settings, connection, account)
            for prefix, sought in missing.where_to(connection, settings.key_prefix).items():
                with channel(settings, prefix) as opened:
                    account["opened"] += missing.open_lost(connection, opened, sought)
        except (ReplayInterrupted, RedisError, OSError) as error:
            account["error"] = redaction.text(str(error))
    return account


def _enqueue(settings: Settings, connection: Connection[Any], account: Account) -> None:
    with ExitStack() as opened:
        channels: dict[str, Any] = {}
        for batch in unconfirmed.find(connection, age_seconds=_AFTER_SECONDS, most=_MOST_BATCHES):
            try:
                asked = order.of(order.named(connection, batch.operation_id))
                if asked.prefix not in channels:
                    channels[asked.prefix] = opened.enter_context(channel(settings, asked.prefix))
                unconfirmed.settle(connection, channels[asked.prefix], batch, asked)
            except (InvalidEdit, InvalidFilter, ReplayInterrupted, UnknownOperation) as error:
                # The others' queues may take theirs; and another release knows what this one cannot read.
                account["error"] = redaction.text(str(error))
            else:
                account["enqueued"] += batch.letters
