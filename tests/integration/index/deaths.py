"""Deaths as they come from the topics, and how the index looks after them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from orchestrator.deadletter.death import Death

Database = psycopg.Connection[Any]
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)

# What a letter or a death has of its records: all columns but those that live in PostgreSQL alone.
_LETTERS = (
    "SELECT id, task_id, task, queue, correlation_id, reason, exception, message, fingerprint, worker,"
    " attempts, replays, first_failed_at, died_at, is_foreign, topic FROM dead_letters ORDER BY id"
)
_DEATHS = (
    "SELECT id, letter_id, replay, queue, reason, exception, message, traceback, worker, attempts,"
    " deliveries, first_failed_at, died_at, headers::text, properties::text, content_type, content_encoding,"
    " value, value_is, topic, partition, record_offset FROM dead_letter_deaths ORDER BY id"
)


def death(name: str, letter: str = "", replay: int = 0, minutes: float = 0, **others: Any) -> Death:
    """A death with an id of its own, so many minutes after noon; that of a replay names its letter."""
    at = NOON + timedelta(minutes=minutes)
    known: dict[str, Any] = {
        "id": name,
        "letter_id": letter or name,
        "reason": "exception",
        "task_id": f"task-of-{letter or name}",
        "task": "app.bill",
        "queue": "bills",
        "correlation_id": "c-1",
        "exception": "ValueError",
        "message": f"{name} is no number",
        "traceback": "Traceback",
        "fingerprint": "0123456789abcdef",
        "worker": "w@host",
        "attempts": 3,
        "deliveries": 1,
        "replay": replay,
        "first_failed_at": at - timedelta(seconds=30),
        "died_at": at,
        "value": b"[[],{},{}]",
        "value_is": "body",
        "headers": {"task": "app.bill", "id": f"task-of-{letter or name}"},
        "properties": {"delivery_tag": "t"},
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "topic": "bills.dlq",
        "partition": 0,
        "offset": 7,
    }
    return Death(**known | others)


def letters(database: Database) -> dict[str, tuple[str, int]]:
    """State and number of the latest replay, by letter."""
    found = database.execute("SELECT id, state, replay FROM dead_letters ORDER BY id").fetchall()
    return {name: (state, replay) for name, state, replay in found}


def history(database: Database, letter: str) -> list[tuple[str, str]]:
    """What became of a letter, in the order in which it was told: events and details."""
    return database.execute(
        "SELECT event, detail FROM dead_letter_history WHERE letter_id = %s ORDER BY position", (letter,)
    ).fetchall()


def own_columns(database: Database) -> tuple[list[Any], list[Any]]:
    """All that the index has of records: of each letter, and of each death."""
    return database.execute(_LETTERS).fetchall(), database.execute(_DEATHS).fetchall()


def set_state(database: Database, letter: str, state: str, replay: int = 0, days_ago: float = 0) -> None:
    """What a replay or a person does."""
    database.execute(
        "UPDATE dead_letters SET state = %s, replay = %s, state_at = now() - %s * interval '1 day'"
        " WHERE id = %s",
        (state, replay, days_ago, letter),
    )
