"""What there is on each task message after a run: letters, result, ledger, leftovers."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.transport import broker_state, poison, runs
from tests.chaos.transport.broker_state import Letter
from tests.chaos.transport.conditions import PRODUCERS, Conditions
from tests.chaos.transport.faults import explained
from tests.chaos.transport.intents import Intents
from tests.chaos.transport.kinds import FAILED, QUIET, REVOKED, SUCCESS, letter
from tests.chaos.transport.plan import Message, Part, draw
from tests.chaos.transport.rig import Rig
from tests.chaos.transport.runs import Run

LOST = "lost"
_RESULT_KEY = "celery-task-meta-"


@dataclass(frozen=True)
class Sent:
    """One task message as its producer knows it."""

    message: Message
    part: Part
    task_id: str
    confirmed: bool
    intended_at: float
    # The message's bytes, where the producer pushed them by itself.
    raw: bytes | None

    @property
    def name(self) -> str:
        """What kind of task it is."""
        return self.part.task.removeprefix("chaos.") if len(self.message.parts) > 1 else self.message.kind

    @property
    def is_body(self) -> bool:
        """Whether it is the last part of a chord."""
        return self.message.kind.startswith("chord") and self.part is self.message.parts[-1]


@dataclass(frozen=True)
class Case:
    """One task message and everything that is known of it."""

    sent: Sent
    run: Run
    state: str | None
    result: Any
    letters: list[Letter]
    is_left: bool

    def ending(self) -> str:
        """How it ended."""
        if self.letters:
            return letter(self.letters[0].reason)
        if self.state == "SUCCESS":
            return SUCCESS
        if self.state == "FAILURE":
            return FAILED
        if self.state == "REVOKED":
            return REVOKED
        return QUIET if self.run.starts and QUIET in self.sent.part.kind.ends else LOST


@dataclass(frozen=True)
class Evidence:
    """All cases of a run, and the letters that belong to none of them."""

    conditions: Conditions
    cases: list[Case]
    strays: list[Letter]
    left: dict[str, int]
    other_keys: list[str]
    sent: bytes
    # How many tasks may have finished once more than they should, for what was done to the fleet.
    explained: int = 0


def collect(rig: Rig, letters: list[Letter] | None = None) -> Evidence:
    """Read both servers and the files of the producers; `letters` are those of the outbox unless given."""
    conditions = rig.conditions
    plan = draw(conditions.seed, conditions.messages, stock=conditions.stock, calm=conditions.calm)
    # Plain Celery's letters are written where no fault can stop them.
    if letters is None:
        letters = broker_state.letters((rig.results if conditions.stock else rig.broker).client)
    everything = list(_everything(conditions, plan))
    raws: dict[bytes | None, str] = {each.raw: each.task_id for each in everything if each.raw}
    by_task: dict[str, list[Letter]] = defaultdict(list)
    for each in letters:
        by_task[raws.get(each.raw) or each.task_id].append(each)
    contents = broker_state.contents(rig.broker.client)
    cases = [
        _case(sent, rig, letters=by_task.pop(sent.task_id, []), contents=contents) for sent in everything
    ]
    strays = [each for group in by_task.values() for each in group]
    return Evidence(
        conditions,
        cases,
        strays,
        broker_state.left(rig.broker.client),
        broker_state.other_keys(rig.broker.client),
        _sent_bytes(conditions.folder),
        explained(rig.faults, killers=sum(message.kind == "kills_worker" for message in plan)),
    )


def _everything(conditions: Conditions, plan: list[Message]) -> Iterator[Sent]:
    for producer in range(PRODUCERS):
        intents = Intents(conditions.folder, producer)
        for (index, attempt), intended_at in sorted(intents.intended_at.items()):
            message = plan[index]
            ids = message.ids(conditions.run, attempt)
            raw = poison.raw(message, ids[0]) if message.kind in poison.KINDS else None
            confirmed = intents.confirmed.get(index) == attempt
            for part, task_id in zip(message.parts, ids, strict=True):
                yield Sent(message, part, task_id, confirmed, intended_at, raw)


def _case(sent: Sent, rig: Rig, letters: list[Letter], contents: str) -> Case:
    stored: Any = rig.results.client.get(_RESULT_KEY + sent.task_id)
    outcome = json.loads(stored or "{}")
    named = sent.task_id if sent.raw else f'"id": "{sent.task_id}"'
    return Case(
        sent=sent,
        run=runs.of(rig.conditions.folder, sent.task_id),
        state=outcome.get("status"),
        result=outcome.get("result"),
        letters=letters,
        is_left=named in contents,
    )


def _sent_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("sent-*.bin")))
