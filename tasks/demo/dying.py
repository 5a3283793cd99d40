"""The demo's second act: orders die, are listed by group, and are replayed until no letter is open."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator import postgres, settings
from orchestrator.errors import StackError
from orchestrator.index.filters import Filter
from orchestrator.index.groups import groups
from orchestrator.index.states import UNSETTLED
from orchestrator.index.stats import totals
from tasks.demo import orders
from tasks.demo.waiting import wait

if TYPE_CHECKING:
    from orchestrator.dev.fleet import Fleet

ORDERS = 20
_WRONG = {"number": ORDERS + 1, "price": 500}
_RIGHT = {"number": ORDERS + 1, "cents": 500}


@dataclass(frozen=True)
class Group:
    """Letters of one failure, as they were before their replay."""

    letters: int
    exception: str
    message: str


@dataclass(frozen=True)
class Act:
    """What has died, and what became of it; `orders` is how many are stored in the end."""

    died: tuple[Group, ...]
    died_again: int
    resolved: int
    open: int
    orders: int

    def missing(self) -> Iterator[str]:
        """One sentence for each thing that is not as it must be."""
        if sum(group.letters for group in self.died) != ORDERS + 1:
            yield f"{ORDERS + 1} orders had to die, {sum(group.letters for group in self.died)} did"
        if self.open:
            yield f"{self.open} dead letters are still open"
        if self.orders != ORDERS + 1:
            yield f"{ORDERS + 1} orders had to be stored after their replay, {self.orders} are"


def imported() -> dict[str, str]:
    """The variable that makes workers know the demo's task, beside what it says already."""
    return {"OMNINODE_IMPORTS": ",".join([*settings.current().imports, orders.__name__])}


def play(fleet: Fleet) -> Act:
    """Play it, with the commands that a user would type.

    Raises:
        StackError: a process of the fleet has ended, a command failed, or nothing moves for a minute.
    """
    # Now, as it is made for the servers of the environment.
    from orchestrator.celery import app  # noqa: PLC0415

    for number in range(1, ORDERS + 1):
        app.send_task(orders.store_order.name, kwargs={"number": number, "cents": 100 * number})
    # An older program calls it by other names.
    app.send_task(orders.store_order.name, kwargs=_WRONG)
    wait(fleet, lambda: _states().get("open", 0) == ORDERS + 1, "the letters")
    with postgres.transaction() as database:
        died = tuple(
            Group(each.letters, each.exception, each.message) for each in groups(database, Filter(), 10)
        )
        database.execute(orders.TABLE)
    _replay(fleet, "--why", "the table is there now")
    wait(fleet, lambda: not _states().get("replaying"), "the end of the replay")
    died_again = _states().get("open", 0)
    _replay(fleet, "--edit", json.dumps({"kwargs": _RIGHT}), "--why", "the order had an old spelling")
    wait(fleet, lambda: not _states().get("replaying"), "the end of the second replay")
    states = _states()
    return Act(
        died=died,
        died_again=died_again,
        resolved=states.get("resolved", 0),
        open=sum(states.get(state, 0) for state in UNSETTLED),
        orders=_stored(),
    )


def _replay(fleet: Fleet, *arguments: str) -> None:
    command = [sys.executable, "-m", "orchestrator.cli", "dead-letters", "replay", "--all", "--yes"]
    code = fleet.run("replay", [*command, *arguments])
    if code:
        raise StackError(f"`omninode dead-letters replay` ended with exit code {code}")


def _states() -> dict[str, int]:
    with postgres.transaction() as database:
        return totals(database).by_state


def _stored() -> int:
    with postgres.transaction() as database:
        row = database.execute("SELECT count(*) FROM demo_orders").fetchone()
    return int(row[0]) if row else 0
