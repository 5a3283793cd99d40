"""The task that replays dead letters: by hand, from a program, or by beat."""

from __future__ import annotations

import json
import math
import time
import uuid
from typing import Any

from celery import Celery, shared_task
from psycopg import Connection

from orchestrator import postgres
from orchestrator.errors import InvalidFilter, Wait
from orchestrator.index import naming, operations
from orchestrator.index.filters import Filter
from orchestrator.replay import order, reading
from orchestrator.replay.edit import Edit
from orchestrator.replay.holding import Queues, consumed
from orchestrator.replay.order import Order
from orchestrator.replay.plan import check_edit, plan
from orchestrator.replay.run import replay

# How long it keeps a worker's process before it lets others in, and goes on afterwards.
_TURN_SECONDS = 30.0
# Nor does it keep one to wait for longer than that.
_LONGEST_WAIT_SECONDS = 2.0
_HELD_PAUSE_SECONDS = 10.0


@shared_task(name=order.ADMIN_TASK, bind=True)
def replay_dead_letters(
    self: Any,
    filter: dict[str, Any] | None = None,  # noqa: A002 (the name that callers know)
    *,
    all_open: bool = False,
    to_queue: str | None = None,
    edit: dict[str, Any] | None = None,
    rate: float | None = None,
    limit: int | None = None,
    why: str = "",
    dry_run: bool = False,
) -> dict[str, Any]:
    """Do what `omninode dead-letters replay` does; the filter and the account are the same JSON.

    A filter without a condition is refused, unless `all_open` says that every open letter is meant.
    Run twice, it goes on where it was, as the replay belongs to the task's id and arguments. A long one, and
    one that waits for a paused queue or an open circuit, is put back time and again, so that it keeps no
    worker.

    Raises:
        InvalidFilter, InvalidEdit: what was asked for is none; nothing is replayed.
        ReplayInterrupted: Redis is away or full: the task is tried again.
    """
    filter_ = _filter(filter, all_open=all_open)
    task_id = self.request.id or str(uuid.uuid4())
    with (
        postgres.session() as connection,
        self.app.connection_for_write() as broker,
    ):
        channel = broker.default_channel
        asked = order.order(
            naming.complete(connection, filter_),
            to_queue="" if to_queue is None else to_queue,
            edit=None if edit is None else Edit.from_json(edit),
            rate=rate,
            limit=limit,
            prefix=channel.global_keyprefix,
        )
        if dry_run:
            return _plan(connection, self.app, channel, asked)
        identifier = _identity(task_id, filter or {}, asked)
        if operations.named(connection, identifier) is None:
            check_edit(connection, asked, reading.now(connection), self.app.tasks)
        operation = order.begin(connection, asked, f"task {task_id}", why, identifier)
        turn = _Turn(math.inf if self.request.called_directly or self.request.is_eager else _TURN_SECONDS)
        done = replay(connection, channel, operation, stop=turn, tasks=self.app.tasks, say=turn.end)
    if not done.is_finished:
        raise Wait(turn.pause_seconds)
    return done.as_json()


def _filter(spelled: dict[str, Any] | None, *, all_open: bool) -> Filter:
    filter_ = Filter() if spelled is None else Filter.from_json(spelled)
    if not all_open and not order.is_bounded(filter_):
        raise InvalidFilter(
            'this filter is every open letter: say which, as in {"queues": ["mails"]}, or all_open=True'
        )
    if all_open and order.is_bounded(filter_):
        raise InvalidFilter("all_open=True is for no filter: leave one of them away")
    return filter_


def _identity(task_id: str, spelled: dict[str, Any], asked: Order) -> uuid.UUID:
    """The replay that this task has begun, whoever runs it again. With other arguments it is another one.

    An age in the filter is another time whenever it is read: what was spelled counts.
    """
    what = json.dumps([task_id, dict(spelled), asked.options()], sort_keys=True)
    return uuid.uuid5(uuid.NAMESPACE_OID, f"omninode-replay:{what}")


class _Turn:
    """For how long the task keeps its process. It ends early where there is nothing to do for a while."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        self._may_end = seconds < math.inf
        self.pause_seconds = 0.0

    def is_set(self) -> bool:
        return time.monotonic() >= self._ends_at

    def wait(self, timeout: float) -> bool:
        if self._may_end and (timeout > _LONGEST_WAIT_SECONDS or time.monotonic() + timeout > self._ends_at):
            self._ends_at, self.pause_seconds = -math.inf, timeout
        elif not self.is_set():
            time.sleep(timeout)
        return self.is_set()

    def end(self, _why: str) -> None:
        """Nothing can be done for now."""
        if self._may_end:
            self._ends_at, self.pause_seconds = -math.inf, _HELD_PAUSE_SECONDS


def _plan(connection: Connection[Any], app: Celery, channel: Any, asked: Order) -> dict[str, Any]:
    queues = Queues(channel)
    made = plan(
        connection,
        asked,
        reading.now(connection),
        tasks=app.tasks,
        consumed=consumed(app),
        paused=queues.paused(),
        refusal=queues.refusal,
    )
    return made.as_json()
