"""What a replay was asked for: kept as the options of its operation, so that it can be resumed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from psycopg import Connection

from orchestrator.deadletter import event
from orchestrator.errors import InvalidFilter, UnknownOperation
from orchestrator.index import operations
from orchestrator.index.filters import Filter
from orchestrator.index.operations import Operation
from orchestrator.replay.edit import Edit
from orchestrator.storable import is_clean

ACTION = "replay"
# The task that does what an order says. Its own letters are taken only where they are named.
ADMIN_TASK = "omninode.admin.replay_dead_letters"
# Those that a replay takes; parked ones only where the filter names them.
REPLAYABLE = ("open", "parked")
# Letters a second: more than any broker takes, and less than the numbers that overflow.
_FASTEST = 1e9


@dataclass(frozen=True)
class Order:
    """Which letters, and how.

    `to_queue` '': each to its own. `rate` is letters a second, `limit` how many at the most; None: no bound.
    `is_foreign`: an edit is not held against a task of this app. `prefix` is the broker's `global_keyprefix`.
    """

    filter: Filter
    to_queue: str = ""
    edit: Edit | None = None
    rate: float | None = None
    limit: int | None = None
    is_foreign: bool = False
    prefix: str = ""

    def options(self) -> dict[str, Any]:
        """All but the filter, as JSON."""
        return {
            "to_queue": self.to_queue,
            "edit": self.edit.as_json() if self.edit else None,
            "rate": self.rate,
            "limit": self.limit,
            "foreign": self.is_foreign,
            "prefix": self.prefix,
        }

    def target(self, queue: str, task: str) -> str:
        """The queue that a letter of this queue and task goes to: an event's has a topic instead of one."""
        return self.to_queue or (event.QUEUE if task == event.TASK else queue)


def is_bounded(filter_: Filter) -> bool:
    """Whether it asks for less than every letter that is open."""
    return replace(filter_, states=()) != Filter() or not set(filter_.states) <= {"open"}


def order(filter_: Filter, **options: Any) -> Order:
    """An order whose filter takes open letters, or parked ones where it names them.

    Raises:
        InvalidFilter: it names states that are not replayed, or a rate or limit that is none.
    """
    states = filter_.states or REPLAYABLE[:1]
    wrong = [state for state in states if state not in REPLAYABLE]
    if wrong:
        raise InvalidFilter(
            f"letters that are {wrong[0]} are not replayed: only open ones, and parked ones where they are "
            "asked for; reopen those that were put away"
        )
    asked = Order(replace(filter_, states=states), **options)
    _check(asked.to_queue, asked.rate, asked.limit)
    return asked


def _check(to_queue: Any, rate: Any, limit: Any) -> None:
    """They come from a program, which may say anything."""
    if not isinstance(to_queue, str) or not is_clean(to_queue):
        raise InvalidFilter(f"a queue to replay to is named by a text, not {to_queue!r:.80}")
    is_rate = isinstance(rate, int | float) and not isinstance(rate, bool) and 0 < rate <= _FASTEST
    if rate is not None and not is_rate:
        raise InvalidFilter(f"a rate is a number of letters a second above 0, not {rate!r:.80}")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise InvalidFilter(f"a limit is a whole number of letters above 0, not {limit!r:.80}")


def begin(
    connection: Connection[Any], asked: Order, who: str, why: str, identifier: UUID | None = None
) -> Operation:
    """Write down that it begins, and commit; one that has begun under this `identifier` goes on."""
    filter_json = asked.filter.as_json()
    begun = operations.begin(
        connection, ACTION, who, why, filter_json, asked.options(), identifier=identifier
    )
    return named(connection, begun)


def named(connection: Connection[Any], identifier: UUID) -> Operation:
    """The operation of a replay.

    Raises:
        UnknownOperation: there is none of that id.
    """
    operation = operations.named(connection, identifier)
    if operation is None or operation.action != ACTION:
        raise UnknownOperation(f"no replay has the id {identifier}: `omninode dead-letters stats` lists them")
    return operation


def find(connection: Connection[Any], name: str) -> Operation:
    """The operation of the replay with this id, or whose id begins so.

    Raises:
        UnknownOperation: there is none, or several, or these are too few digits.
    """
    found = operations.beginning(connection, name, ACTION)
    if not found:
        raise UnknownOperation(
            f"no replay has the id {name!r:.80}, or one that begins so, {operations.FEWEST_DIGITS} digits at "
            "least: `omninode dead-letters stats` lists them"
        )
    if len(found) > 1:
        raise UnknownOperation(f"the ids of several replays begin with {name}: give more of the digits")
    return found[0]


def of(operation: Operation) -> Order:
    """What the operation was asked for."""
    return _read(operation.options, Filter.from_json(operation.filter))


def _read(options: Mapping[str, Any], filter_: Filter) -> Order:
    edit = options.get("edit")
    return Order(
        filter_,
        options.get("to_queue") or "",
        Edit.from_json(edit) if edit else None,
        options.get("rate"),
        options.get("limit"),
        bool(options.get("foreign")),
        options.get("prefix") or "",
    )
