"""The account of a replay: what became of the letters that were asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection

from orchestrator.deadletter import event

_BATCHES: LiteralString = """
    SELECT coalesce(sum(letters) FILTER (WHERE enqueued_at IS NOT NULL), 0)::integer,
           coalesce(sum(letters) FILTER (WHERE enqueued_at IS NULL), 0)::integer
      FROM replay_batches WHERE operation_id = %s"""
_GROUPS: LiteralString = """
    SELECT l.fingerprint, l.exception, l.task, l.queue, count(*)
      FROM dead_letter_history h JOIN dead_letters l ON l.id = h.letter_id
     WHERE h.operation_id = %s GROUP BY 1, 2, 3, 4"""


@dataclass(frozen=True)
class Group:
    """Letters that failed alike: their number."""

    fingerprint: str
    exception: str
    task: str
    letters: int


@dataclass
class Account:
    """What was done, in letters.

    Of those that `matched`, `enqueued` are in Redis, `claimed` will be pushed when the replay is resumed, or
    by the relay; `skipped`, with the reason, and `left` are as they were. `newly_enqueued` leaves out those
    that were before it was resumed; `by_queue` and `by_group` divide all that was enqueued and claimed.
    `is_finished`: there is nothing to resume.
    """

    operation: str
    matched: int = 0
    enqueued: int = 0
    newly_enqueued: int = 0
    claimed: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    left: int = 0
    by_queue: dict[str, int] = field(default_factory=dict)
    by_group: list[Group] = field(default_factory=list)
    is_finished: bool = False

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        shown = asdict(self)
        return shown | {"finished": shown.pop("is_finished")}


def numbers(connection: Connection[Any], operation_id: UUID) -> tuple[int, int]:
    """How many letters of an operation are enqueued, and how many claimed and not yet enqueued."""
    row = connection.execute(_BATCHES, (operation_id,)).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def draw_up(
    connection: Connection[Any], operation_id: UUID, to_queue: str, before: int, **others: Any
) -> Account:
    """The account of an operation, over all times that it was resumed; `before` were enqueued by then."""
    enqueued, claimed = numbers(connection, operation_id)
    queues: Counter[str] = Counter()
    groups: Counter[tuple[str, str, str]] = Counter()
    for fingerprint, exception, task, queue, letters in connection.execute(_GROUPS, (operation_id,)):
        queues[to_queue or (event.QUEUE if task == event.TASK else queue)] += letters
        groups[fingerprint, exception, task] += letters
    return Account(
        str(operation_id),
        enqueued=enqueued,
        newly_enqueued=max(0, enqueued - before),
        claimed=claimed,
        by_queue=dict(queues),
        by_group=listed(groups),
        **others,
    )


def listed(groups: Counter[tuple[str, str, str]]) -> list[Group]:
    """The largest groups first."""
    return [Group(*about, letters) for about, letters in groups.most_common()]
