"""What a replay would do, without doing it; and whether its edit fits every letter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection

from orchestrator.errors import InvalidEdit, NotReplayable
from orchestrator.replay import reading, untaken
from orchestrator.replay.account import Group, listed
from orchestrator.replay.claiming import make
from orchestrator.replay.contents import is_broken
from orchestrator.replay.message import Rebuilt
from orchestrator.replay.order import Order
from orchestrator.replay.reading import Dead


@dataclass
class Plan:
    """In letters: those that match, and those that would be enqueued, by queue and by group.

    `changes` counts what would be taken off because its time has passed, `lost` what will not come back,
    `skipped` why others cannot be replayed. `unconsumed` queues have no worker that answers. Letters of
    `unknown_tasks`, and with a body that is `undecodable`, would be enqueued, and die again.
    """

    matched: int = 0
    enqueued: int = 0
    by_queue: dict[str, int] = field(default_factory=dict)
    by_group: list[Group] = field(default_factory=list)
    changes: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    unconsumed: list[str] = field(default_factory=list)
    paused: list[str] = field(default_factory=list)
    unknown_tasks: dict[str, int] = field(default_factory=dict)
    undecodable: int = 0

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self) | {"dry_run": True}


def plan(
    connection: Connection[Any],
    asked: Order,
    now: datetime,
    *,
    tasks: Mapping[str, Any] | None,
    consumed: frozenset[str],
    paused: frozenset[str],
    refusal: Callable[[str], str | None],
    on_progress: Callable[[int, int], None] = lambda _done, _matched: None,
) -> Plan:
    """Make every message that would be enqueued, and throw it away.

    Raises:
        InvalidEdit: the edit does not fit one of them; `tasks` are those that it is held against, and that
            are known.
    """
    made = Plan(reading.count(connection, asked, now))
    queues: Counter[str] = Counter()
    groups: Counter[tuple[str, str, str]] = Counter()
    changes: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    skipped = untaken.named(connection, asked)
    for number, (letter, message) in enumerate(_messages(connection, asked, now, tasks), 1):
        on_progress(number, made.matched)
        queue = asked.target(letter.death.queue, letter.death.task)
        why_not = message if isinstance(message, str) else refusal(queue)
        if isinstance(message, str) or why_not:
            skipped[str(why_not)] += 1
            continue
        made.enqueued += 1
        queues[queue] += 1
        groups[letter.fingerprint, letter.exception, letter.death.task] += 1
        changes.update(message.changed)
        lost.update(message.lost)
        if tasks is not None and message.task not in tasks:
            unknown[message.task] += 1
        made.undecodable += is_broken(message.envelope)
        if made.enqueued == asked.limit:
            break
    made.by_queue, made.by_group, made.skipped = dict(queues), listed(groups), dict(skipped)
    made.changes, made.lost, made.unknown_tasks = dict(changes), dict(lost), dict(unknown)
    made.unconsumed = sorted(queues.keys() - consumed)
    made.paused = sorted(queues.keys() & paused)
    return made


def check_edit(
    connection: Connection[Any],
    asked: Order,
    now: datetime,
    tasks: Mapping[str, Any] | None,
    on_progress: Callable[[int, int], None] = lambda _done, _matched: None,
) -> None:
    """Hold the edit against every letter that was asked for, where it is held against anything.

    Raises:
        InvalidEdit: it does not fit one of them.
    """
    if asked.edit and tasks is not None:
        matched = reading.count(connection, asked, now)
        for number, _ in enumerate(_messages(connection, asked, now, tasks), 1):
            on_progress(number, matched)


def _messages(
    connection: Connection[Any], asked: Order, now: datetime, tasks: Mapping[str, Any] | None
) -> Iterator[tuple[Dead, Rebuilt | str]]:
    """Every letter with its message, or with the reason why there is none."""
    for letter in _letters(connection, asked, now):
        try:
            yield letter, make(letter, asked, letter.replay + 1, tasks)
        except NotReplayable as error:
            yield letter, str(error)
        except InvalidEdit as error:
            raise InvalidEdit(f"the edit does not fit the letter {letter.id[:12]}: {error}") from None


def _letters(connection: Connection[Any], asked: Order, now: datetime) -> Iterator[Dead]:
    with reading.wanted(connection, asked, now) as lists:
        for ids in lists:
            while ids:
                letters, taken = reading.read(connection, ids, asked, now)
                yield from reading.with_values(connection, letters)
                ids = ids[taken:]  # noqa: PLW2901 (what is left of them)
