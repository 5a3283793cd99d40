"""Claims letters for a replay: one transaction makes them a batch, in an order that stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID, uuid4

from psycopg import Connection

from orchestrator.deadletter.death import Death
from orchestrator.errors import InvalidEdit, NotReplayable
from orchestrator.index import operations
from orchestrator.index.operations import Operation
from orchestrator.replay import reading
from orchestrator.replay.message import Rebuilt, rebuild
from orchestrator.replay.order import Order
from orchestrator.replay.reading import Dead

# A sentence while messages that depend on a breaker ("": on none), for a queue, have to wait; else None.
Held = Callable[[str, str], str | None]

_LOCK: LiteralString = "SELECT letters FROM dead_letter_operations WHERE id = %s FOR UPDATE"
_BATCH: LiteralString = "INSERT INTO replay_batches (id, operation_id, letters) VALUES (%s, %s, %s)"
_CLAIM: LiteralString = """
    UPDATE dead_letters l
       SET state = 'replaying', state_at = clock_timestamp(), replay = c.replay,
           batch_id = %s, batch_position = c.position - 1
      FROM unnest(%s::text[], %s::integer[]) WITH ORDINALITY AS c (id, replay, position)
     WHERE l.id = c.id"""
_HISTORY: LiteralString = """
    INSERT INTO dead_letter_history (letter_id, event, operation_id, detail)
    SELECT id, 'replayed', %s, format('replay %%s, to %%s', replay, queue)
      FROM unnest(%s::text[], %s::integer[], %s::text[]) AS c (id, replay, queue)"""


@dataclass
class Batch:
    """Letters that are claimed together, and the messages that they became; without an `id` there are none.

    `taken` letters of those that were offered were dealt with; the others did not fit. `skipped` says why
    those that are left as they are are, `held` by (breaker, queue) what they wait for.
    """

    id: UUID | None = None
    messages: list[tuple[str, Rebuilt]] = field(default_factory=list)
    taken: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    held: dict[tuple[str, str], str] = field(default_factory=dict)


def claim(
    connection: Connection[Any],
    operation: Operation,
    asked: Order,
    ids: Sequence[str],
    *,
    breaker: Callable[[Death], str],
    held: Held,
    refusal: Callable[[str], str | None],
) -> Batch:
    """Claim letters: once this returns they are ours, and whoever is killed, their messages will be pushed.

    `breaker` names what a letter depends on, `refusal` says of a queue why it takes no messages, if so.
    """
    batch = Batch()
    with connection.transaction():
        done = connection.execute(_LOCK, (operation.id,)).fetchone()
        if asked.limit is not None and done:
            ids = ids[: max(0, asked.limit - done[0])]
        letters, batch.taken = reading.read(connection, ids, asked, operation.started_at, operation.id)
        letters = [each for each in letters if _is_taken(each, asked, batch, refusal)]
        letters = [each for each in letters if _may_go(each, asked, batch, breaker, held)]
        made = _make(reading.with_values(connection, letters), asked, batch.skipped)
        if not made:
            return batch
        batch.id = uuid4()
        batch.messages = [
            (asked.target(each.death.queue, each.death.task), message) for each, message in made
        ]
        _write(connection, operation.id, batch, [each for each, _ in made])
    return batch


def _is_taken(letter: Dead, asked: Order, batch: Batch, refusal: Callable[[str], str | None]) -> bool:
    if why_not := refusal(asked.target(letter.death.queue, letter.death.task)):
        batch.skipped[why_not] += 1
        return False
    return True


def _may_go(letter: Dead, asked: Order, batch: Batch, breaker: Callable[[Death], str], held: Held) -> bool:
    needed = breaker(letter.death), asked.target(letter.death.queue, letter.death.task)
    if waits_for := held(*needed):
        batch.held[needed] = waits_for
        return False
    return True


def _make(letters: Sequence[Dead], asked: Order, skipped: Counter[str]) -> list[tuple[Dead, Rebuilt]]:
    made: list[tuple[Dead, Rebuilt]] = []
    for each in letters:
        try:
            made.append((each, make(each, asked, number=each.replay + 1)))
        except (NotReplayable, InvalidEdit) as error:
            skipped[str(error)] += 1
    return made


def make(letter: Dead, asked: Order, number: int, tasks: Mapping[str, Any] | None = None) -> Rebuilt:
    """The message of a letter's replay of that number; see `rebuild`."""
    queue = asked.target(letter.death.queue, letter.death.task)
    return rebuild(letter.death, number, queue, datetime.now(UTC), asked.edit, tasks)


def _write(connection: Connection[Any], operation_id: UUID, batch: Batch, letters: Sequence[Dead]) -> None:
    ids = [each.id for each in letters]
    numbers = [each.replay + 1 for each in letters]
    targets = [queue for queue, _ in batch.messages]
    connection.execute(_BATCH, (batch.id, operation_id, len(letters)))
    connection.execute(_CLAIM, (batch.id, ids, numbers))
    connection.execute(_HISTORY, (operation_id, ids, numbers, targets))
    operations.add(connection, operation_id, len(letters))
