"""What the fleet's parts say of themselves in Redis and PostgreSQL: each function asks for one of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from redis import Redis

from monitoring.fleet.figures import BeatFigures, LetterFigures, RelayFigures, RunningFigures
from orchestrator import beat, keys, postgres
from orchestrator.index import stats
from orchestrator.relay.outbox import backlog
from orchestrator.relay.watching import heartbeat
from orchestrator.timeouts import fleet
from orchestrator.timeouts.fleet import Entry

# What ends so much after its limit is not stopped by anybody.
OVERDUE_SECONDS = 10.0
_MOST_SHOWN = 100
_MINUTE = 60


def of_beat(client: Redis, late_after_seconds: float) -> BeatFigures:
    """Beat's last heartbeat; a rival counts that was heard within `late_after_seconds`."""
    said = beat.last_heartbeat(client)
    if said is None:
        return BeatFigures()
    now = time.time()
    has_rival = said.rival is not None and now - said.rival_at <= late_after_seconds
    return BeatFigures(max(0.0, now - said.at), said.beat, said.rival if has_rival else None)


def of_relays(client: Redis, prefix: str) -> RelayFigures:
    """The relays that are heard, and what waits for them; `client` answers with text."""
    states = heartbeat.heard(client, prefix)
    outbox = backlog.measure(client, prefix)
    errors = (_error(state.get("mover")) for state in states.values())
    error = next((each for each in errors if each), "")
    return RelayFigures(tuple(sorted(states)), outbox.length, outbox.oldest_seconds, error)


def of_letters(database_url: str, limit_seconds: float) -> LetterFigures:
    """What PostgreSQL says of letters.

    Raises:
        psycopg.Error: it does not answer within this time, or has no schema yet.
    """
    with (
        postgres.connect(database_url, limit_seconds) as connection,
        postgres.cut_off_after(limit_seconds, connection),
    ):
        found = stats.figures(connection)
        overflow = stats.overflow(connection)
    per_minute, hours = float(found.new_in_last_minute), found.oldest_open_seconds / 3600
    return LetterFigures(overflow, found.open, per_minute, hours)


def of_running(client: Redis, prefix: str) -> RunningFigures:
    """The tasks that run, and those that ought to have ended: pools of threads, and solo, stop none."""
    tasks = [entry for entry in fleet.read(client, prefix).entries if entry.kind == "task"]
    now = time.time()
    overdue = [entry for entry in tasks if overdue_seconds(entry, now) > OVERDUE_SECONDS]
    return RunningFigures(len(tasks), len(overdue), tuple(overdue[:_MOST_SHOWN]))


def overdue_seconds(entry: Entry, now: float) -> float:
    """By how much a running task is beyond its hard limit or its deadline, at `now` in Unix seconds."""
    is_last = entry.limit in {"hard", "deadline"} and entry.limit_seconds is not None
    beyond_limit = entry.elapsed_seconds - (entry.limit_seconds or 0.0) if is_last else 0.0
    beyond_deadline = now - entry.deadline if entry.deadline is not None else 0.0
    return max(0.0, beyond_limit, beyond_deadline)


def of_metrics(client: Redis, prefix: str) -> int:
    """For how many minutes the oldest one that is over waits to get into the history; 0 where none does."""
    ask: Any = client
    with ask.pipeline(transaction=False) as pipeline:
        pipeline.time()
        pipeline.zrange(keys.metrics("minutes", prefix), 0, 0, withscores=True)
        pipeline.zrange(keys.metrics("windows", prefix), 0, 0, withscores=True)
        (seconds, _), *firsts = pipeline.execute()
    oldest = [int(score) for first in firsts for _, score in first]
    return max(0, seconds // _MINUTE - min(oldest)) if oldest else 0


def _error(loop: Any) -> str:
    said = loop.get("error") if isinstance(loop, Mapping) else None
    return str(said) if said else ""
