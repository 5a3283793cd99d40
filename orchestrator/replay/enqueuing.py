"""Pushes a claimed batch to Redis, once: whoever was killed before, and whoever else pushes it meanwhile.

The marker of the transport's push makes a second push of the same batch impossible; what was pushed of it is
known to the marker alone. Rows have their place in the batch for good, so that everybody counts alike.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection
from redis.exceptions import RedisError

from orchestrator import events, keys
from orchestrator.errors import NotReplayable, ReplayInterrupted
from orchestrator.replay import reading
from orchestrator.replay.claiming import make
from orchestrator.replay.message import Rebuilt
from orchestrator.replay.order import Order
from orchestrator.replay.reading import Dead
from orchestrator.transport.collecting import Rendered
from orchestrator.transport.pushing import AWAY, Chunk, OtherRows, Refused

# How long a batch can be pushed again without a second message.
MARKER_SECONDS = 31 * keys.DAY_SECONDS

# A row's task and its message; of one whose message is there, or gone, neither.
_Row = tuple[str, list[Rendered]]
_NOTHING: _Row = "", []

_CONFIRM: LiteralString = (
    "UPDATE replay_batches SET enqueued_at = clock_timestamp() WHERE id = %s AND enqueued_at IS NULL"
)


def enqueue(channel: Any, batch_id: UUID, messages: Iterable[tuple[str, Rebuilt]]) -> None:
    """Push a batch that was claimed just now.

    Raises:
        ReplayInterrupted: Redis is away or full; perhaps some of it was pushed.
    """
    _push(channel, _chunk(batch_id), (_row(channel, *each) for each in messages))


def enqueue_again(
    channel: Any, connection: Connection[Any], batch_id: UUID, letters: int, asked: Order
) -> None:
    """Push what was not pushed of a batch of so many letters, made anew from PostgreSQL.

    Raises:
        ReplayInterrupted: as above.
    """
    chunk = _chunk(batch_id)
    chunk.accepted = _pushed(channel, chunk.name)
    read = reading.of_batch(connection, batch_id, chunk.accepted)
    _push(channel, chunk, _rows_again(channel, read, range(chunk.accepted, letters), asked))


def confirm(connection: Connection[Any], batch_id: UUID) -> None:
    """Write down that Redis has the batch."""
    connection.execute(_CONFIRM, (batch_id,))


def _rows_again(channel: Any, portions: Iterable[list[Dead]], places: range, asked: Order) -> Iterator[_Row]:
    position = places.start
    for letter in itertools.chain.from_iterable(portions):
        # One that is no longer in its batch was pushed, and has ended since.
        yield from (_NOTHING for _ in range(position, letter.position))
        position = letter.position + 1
        try:
            rebuilt = make(letter, asked, letter.replay)
        except NotReplayable:
            # Its bytes were deleted meanwhile: whoever looks for lost replays finds it.
            yield _NOTHING
        else:
            yield _row(channel, asked.target(letter.death.queue, letter.death.task), rebuilt)
    yield from (_NOTHING for _ in range(position, places.stop))


def _push(channel: Any, chunk: Chunk, rows: Iterable[_Row]) -> None:
    waited_ms = 0
    tasks: deque[str] = deque()

    def tell(given: int, new: int) -> None:
        told = [tasks.popleft() for _ in range(given)]
        for task in told[given - new :]:
            events.emit(events.Replayed(task))

    chunk.on_push = tell
    try:
        for task, messages in rows:
            tasks.extend([task] * len(messages))
            wait_ms = messages[0].wait_ms if messages else 0
            if wait_ms != waited_ms:
                # One delay is for all messages of a part.
                chunk.flush(channel)
            waited_ms = wait_ms
            chunk.add(channel, messages)
        chunk.flush(channel)
    except (Refused, OtherRows) as error:
        raise ReplayInterrupted(str(error) or "another batch has its name") from None


def _chunk(batch_id: UUID) -> Chunk:
    return Chunk(f"replay:{batch_id}", "", lifetime_seconds=MARKER_SECONDS)


def _pushed(channel: Any, name: str) -> int:
    try:
        with channel.plain_client() as client:
            marker = client.get(keys.batch(name, channel.global_keyprefix))
    except (*AWAY, RedisError) as error:
        raise ReplayInterrupted(f"Redis is away ({error})") from error
    return int(marker.split()[0]) if marker else 0


def _row(channel: Any, queue: str, rebuilt: Rebuilt) -> _Row:
    priority = channel._get_message_priority(rebuilt.envelope, reverse=False)  # noqa: SLF001
    return rebuilt.task, [Rendered(channel.list_of(queue, priority), rebuilt.wait_ms, rebuilt.raw)]
