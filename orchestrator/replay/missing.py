"""Opens letters whose replay is nowhere any more: purged, or run by a worker that tells nothing."""

from __future__ import annotations

from typing import Any, LiteralString

from kombu.utils.encoding import bytes_to_str
from psycopg import Connection
from redis import Redis

from orchestrator import keys
from orchestrator.deadletter.death import LETTER
from orchestrator.transport import scripts

WHY = "its message is gone: purged, or run by a worker that is not ours"
_AFTER_SECONDS = 3600.0
_EVERY_SECONDS = 600
_MOST_MESSAGES = 10_000
_MOST_LETTERS = 1000

_LOST: LiteralString = """
      FROM dead_letters l LEFT JOIN replay_batches b ON b.id = l.batch_id
      LEFT JOIN dead_letter_operations o ON o.id = b.operation_id
     WHERE l.state = 'replaying' AND l.state_at < clock_timestamp() - make_interval(secs => %s)
       AND (b.id IS NULL OR b.enqueued_at < clock_timestamp() - make_interval(secs => %s))"""
_PREFIX: LiteralString = "coalesce(o.options ->> 'prefix', '')"
_WHERE_TO: LiteralString = (
    "SELECT " + _PREFIX + ", array_agg(DISTINCT coalesce(nullif(o.options ->> 'to_queue', ''), l.queue))"
    "\n" + _LOST + " GROUP BY 1"
)
_LOST_LETTERS: LiteralString = (
    "SELECT l.id" + _LOST + " AND " + _PREFIX + " = %s AND l.id <> ALL(%s)"
    " ORDER BY l.id LIMIT %s FOR NO KEY UPDATE OF l SKIP LOCKED"
)
_OPEN: LiteralString = """
    WITH opened AS (
        UPDATE dead_letters SET state = 'open', state_at = clock_timestamp(),
               batch_id = NULL, batch_position = NULL
         WHERE id = ANY(%s) RETURNING id
    )
    INSERT INTO dead_letter_history (letter_id, event, detail) SELECT id, 'reopened', %s FROM opened"""
_OVERFLOW: LiteralString = "SELECT EXISTS (SELECT FROM outbox_overflow)"


def where_to(connection: Connection[Any]) -> dict[str, list[str]]:
    """Where letters went that have been replaying for longer than an hour: queues by the broker's prefix."""
    return dict(connection.execute(_WHERE_TO, (_AFTER_SECONDS, _AFTER_SECONDS)).fetchall())


def open_lost(connection: Connection[Any], channel: Any, queues: list[str]) -> int:
    """Open those that are nowhere, and return how many that were; every ten minutes, by whoever is first.

    None are opened where more messages wait than can be looked at in one moment, or where what became of
    some is not in the index yet.
    """
    prefix = channel.global_keyprefix
    with channel.plain_client() as client:
        if not client.set(keys.sought(prefix), 1, nx=True, ex=_EVERY_SECONDS):
            return 0
        present = _present(client, channel, queues)
    if present is None or _has_overflow(connection):
        return 0
    with connection.transaction():
        parameters = (_AFTER_SECONDS, _AFTER_SECONDS, prefix, present, _MOST_LETTERS)
        lost = [row[0] for row in connection.execute(_LOST_LETTERS, parameters)]
        return connection.execute(_OPEN, (lost, WHY)).rowcount


def _present(client: Redis, channel: Any, queues: list[str]) -> list[str] | None:
    prefix = channel.global_keyprefix
    lists = {bytes_to_str(name) for name in client.scan_iter(count=1000, _type="list")}
    # One that is empty at one moment, and not at the next.
    lists |= {channel.list_of(queue, step) for queue in queues for step in channel.priority_steps}
    _, delayed, _ = channel.keys.delay()
    places = [keys.claims(prefix), delayed, prefix + channel.unacked_key]
    streams = [keys.outbox(prefix), keys.outcomes(prefix)]
    script = client.register_script(scripts.load("replays").text)
    found: Any = script(keys=[*places, *streams, *sorted(lists)], args=[_MOST_MESSAGES, f'"{LETTER}": "'])
    return None if found is None else [bytes_to_str(each) for each in found]


def _has_overflow(connection: Connection[Any]) -> bool:
    row = connection.execute(_OVERFLOW).fetchone()
    return bool(row and row[0])
