"""Opens letters whose replay is nowhere any more: purged, or run by a worker that tells nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID

from kombu.utils.encoding import bytes_to_str
from psycopg import Connection
from redis import Redis

from orchestrator import keys
from orchestrator.deadletter import event
from orchestrator.deadletter.death import LETTER
from orchestrator.transport import scripts

WHY = "its message is gone: purged, or run by a worker that is not ours"
_AFTER_SECONDS = 3600.0
_EVERY_SECONDS = 600
# Redis does nothing else while it looks at them.
_MOST_MESSAGES, _MOST_BYTES = 10_000, 64 * 1024 * 1024
_MOST_LETTERS = 1000

_LOST: LiteralString = """
      FROM dead_letters l LEFT JOIN replay_batches b ON b.id = l.batch_id
      LEFT JOIN dead_letter_operations o ON o.id = b.operation_id
     WHERE l.state = 'replaying' AND l.state_at < clock_timestamp() - make_interval(secs => %s)
       AND (b.id IS NULL OR b.enqueued_at < clock_timestamp() - make_interval(secs => %s))"""
# Options are read here: PostgreSQL's operators fail of JSON with a NUL anywhere in it, as an edit may have.
# A letter of an event has a topic instead of a queue.
_QUEUE: LiteralString = f"CASE WHEN l.task = '{event.TASK}' THEN '{event.QUEUE}' ELSE l.queue END"
_WHERE_TO: LiteralString = (
    "SELECT o.id, o.options, array_agg(DISTINCT " + _QUEUE + ")\n" + _LOST + " GROUP BY o.id"
)
_LOST_LETTERS: LiteralString = (
    "SELECT l.id" + _LOST + " AND (o.id = ANY(%s) OR o.id IS NULL AND %s) AND l.id <> ALL(%s)"
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


@dataclass
class Sought:
    """Where letters of one broker's prefix went: by which operations, to which queues.

    `unknown`: also those of which no operation is known any more.
    """

    operations: list[UUID] = field(default_factory=list)
    queues: set[str] = field(default_factory=set)
    unknown: bool = False


def where_to(connection: Connection[Any], otherwise: str) -> dict[str, Sought]:
    """Where letters went that have been replaying for longer than an hour, by the broker's prefix.

    It is `otherwise` for those whose operation is not known any more.
    """
    found: defaultdict[str, Sought] = defaultdict(Sought)
    for operation_id, options, queues in connection.execute(_WHERE_TO, (_AFTER_SECONDS, _AFTER_SECONDS)):
        sought = found[otherwise if options is None else options.get("prefix", "")]
        sought.queues.update([options["to_queue"]] if options and options.get("to_queue") else queues)
        if operation_id:
            sought.operations.append(operation_id)
        else:
            sought.unknown = True
    return dict(found)


def open_lost(connection: Connection[Any], channel: Any, sought: Sought) -> int:
    """Open those that are nowhere, and return how many that were; every ten minutes, by whoever is first.

    None are opened where more messages wait than can be looked at in one moment, or where what became of
    some is not in the index yet.
    """
    prefix = channel.global_keyprefix
    with channel.plain_client() as client:
        if not client.set(keys.sought(prefix), 1, nx=True, ex=_EVERY_SECONDS):
            return 0
        present = _present(client, channel, sought.queues)
    if present is None or _has_overflow(connection):
        return 0
    opened = 0
    while some := _open_some(connection, sought, present):
        opened += some
    return opened


def _open_some(connection: Connection[Any], sought: Sought, present: list[str]) -> int:
    with connection.transaction():
        which = (sought.operations, sought.unknown, present, _MOST_LETTERS)
        rows = connection.execute(_LOST_LETTERS, (_AFTER_SECONDS, _AFTER_SECONDS, *which)).fetchall()
        return connection.execute(_OPEN, ([row[0] for row in rows], WHY)).rowcount


def _present(client: Redis, channel: Any, queues: Iterable[str]) -> list[str] | None:
    prefix = channel.global_keyprefix
    lists = {bytes_to_str(name) for name in client.scan_iter(count=1000, _type="list")}
    # One that is empty at one moment, and not at the next.
    lists |= {channel.list_of(queue, step) for queue in queues for step in channel.priority_steps}
    _, delayed, _ = channel.keys.delay()
    places = [keys.claims(prefix), delayed, keys.aside_messages(prefix), prefix + channel.unacked_key]
    streams = [keys.outbox(prefix), keys.outcomes(prefix)]
    script = client.register_script(scripts.load("replays").text)
    bounds = [_MOST_MESSAGES, _MOST_BYTES]
    found: Any = script(keys=[*places, *streams, *sorted(lists)], args=[*bounds, f'"{LETTER}": "'])
    return None if found is None else [bytes_to_str(each) for each in found]


def _has_overflow(connection: Connection[Any]) -> bool:
    row = connection.execute(_OVERFLOW).fetchone()
    return bool(row and row[0])
