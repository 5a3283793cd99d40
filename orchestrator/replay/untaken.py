"""Letters that a replay does not take although they were asked for, by the reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection, sql

from orchestrator.replay.order import ADMIN_TASK, REPLAYABLE, Order
from orchestrator.storable import clean

_NAMED: LiteralString = """
    SELECT l.state, count(*) FROM unnest(%s::text[]) AS named (id) LEFT JOIN dead_letters l USING (id)
     WHERE l.state IS NULL OR l.state <> ALL(%s) AND NOT EXISTS (
           SELECT FROM dead_letter_history h WHERE h.letter_id = l.id AND h.operation_id = %s)
     GROUP BY l.state"""
_FOUND = sql.SQL("SELECT state, task = %s AS is_admin, count(*) FROM dead_letters WHERE {} GROUP BY 1, 2")
_WHY_NOT = {
    None: "there is no such letter",
    "archived": "it is archived: reopen it first",
    "open": "it is open: leave --state away to replay it",
    "parked": "it is parked: say --state parked to replay it",
    "replaying": "it is being replayed",
    "resolved": "it is resolved: a replay of it has succeeded",
}
_ADMIN = f"its task is {ADMIN_TASK}: --task or its id replays it"


def named(connection: Connection[Any], asked: Order, operation_id: UUID | None = None) -> Counter[str]:
    """Those that were named by their ids, and are in another state, not because the operation took them."""
    filter_ = asked.filter
    # What PostgreSQL cannot store is the id of none, whatever it looks like now.
    ids = list(dict.fromkeys(map(clean, filter_.ids)))
    rows = connection.execute(_NAMED, (ids, list(filter_.states), operation_id))
    return Counter({_WHY_NOT[state]: letters for state, letters in rows})


def found(connection: Connection[Any], asked: Order) -> Counter[str]:
    """Those that the filter finds in states in which somebody still has to deal with them."""
    condition, parameters = replace(asked.filter, states=(*REPLAYABLE, "replaying")).where()
    rows = connection.execute(_FOUND.format(condition), [ADMIN_TASK, *parameters], prepare=False)
    counted: Counter[str] = Counter()
    for state, is_admin, letters in rows:
        if state not in asked.filter.states:
            counted[_WHY_NOT[state]] += letters
        elif is_admin:
            counted[_ADMIN] += letters
    return counted
