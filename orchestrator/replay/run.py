"""A replay from its first letter to its last: claims batch by batch, enqueues each, and gives an account."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from psycopg import Connection

from orchestrator.index import operations
from orchestrator.index.operations import Operation
from orchestrator.replay import account, claiming, dependency, order, reading, unconfirmed, untaken
from orchestrator.replay.account import Account
from orchestrator.replay.breakers import Breakers
from orchestrator.replay.enqueuing import confirm, enqueue
from orchestrator.replay.holding import Queues
from orchestrator.replay.order import Order
from orchestrator.replay.pace import Pace

_HELD_PAUSE_SECONDS = 0.5


class Stop(Protocol):
    """What ends a replay early: a threading.Event is one."""

    def is_set(self) -> bool:
        """Whether it shall end."""

    def wait(self, timeout: float) -> bool:
        """Return after so many seconds, or when it shall end: then True."""


def replay(
    connection: Connection[Any],
    channel: Any,
    operation: Operation,
    *,
    stop: Stop,
    tasks: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda _: None,
    on_progress: Callable[[int, int], None] = lambda _done, _matched: None,
) -> Account:
    """Do what the operation was asked for, or go on with it; returns when it is done, or shall stop.

    The connection is in autocommit mode. Messages wait while their queue is paused, and while the circuit
    that they depend on is open: that of their header, or of their task where it is one of `tasks`. `say` is
    told sentences, `on_progress` how many letters of how many are enqueued.

    Raises:
        ReplayInterrupted: Redis is away or full. What was claimed will be pushed all the same.
    """
    with Breakers(channel) as breakers:
        return _Run(connection, channel, operation, stop, tasks, breakers, say, on_progress).run()


class _Run:
    def __init__(  # noqa: PLR0917 (those of `replay`)
        self,
        connection: Connection[Any],
        channel: Any,
        operation: Operation,
        stop: Stop,
        tasks: Mapping[str, Any] | None,
        breakers: Breakers,
        say: Callable[[str], None],
        on_progress: Callable[[int, int], None],
    ) -> None:
        self._connection, self._channel, self._operation = connection, channel, operation
        self._stop, self._say, self._on_progress = stop, say, on_progress
        self._asked: Order = order.of(operation)
        self._queues = Queues(channel)
        self._breakers, self._tasks = breakers, tasks
        self._skipped: Counter[str] = Counter()
        self._pace = Pace(self._asked.rate, time.monotonic)
        self._matched = self._done = 0

    def run(self) -> Account:
        before, claimed = account.numbers(self._connection, self._operation.id)
        self._done = before
        self._matched = self._done + claimed + self._left()
        self._enqueue_claimed()
        # One that was finished before is only accounted for.
        is_done = bool(self._operation.finished_at) or self._claim_all()
        if is_done and not self._operation.finished_at:
            operations.finish(self._connection, self._operation.id)
        not_taken = untaken.named(self._connection, self._asked, self._operation.id)
        return account.draw_up(
            self._connection,
            self._operation.id,
            self._asked.to_queue,
            before,
            matched=self._matched,
            skipped=dict(self._skipped + not_taken),
            left=self._left(),
            is_finished=is_done,
        )

    def _enqueue_claimed(self) -> None:
        """What was claimed before a kill comes first."""
        for batch in unconfirmed.find(self._connection, operation_id=self._operation.id):
            unconfirmed.settle(self._connection, self._channel, batch, self._asked)
            self._count(batch.letters)

    def _claim_all(self) -> bool:
        """Pass through all, again where some had to wait or were locked; whether it came to an end."""
        while True:
            self._skipped.clear()
            claimed, waits_for = self._pass()
            if self._is_over():
                return not self._stop.is_set()
            if waits_for:
                self._wait(waits_for)
            elif not claimed or self._left() <= self._skipped.total():
                return True

    def _pass(self) -> tuple[int, dict[tuple[str, str], str]]:
        claimed = 0
        waits_for: dict[tuple[str, str], str] = {}
        with reading.wanted(self._connection, self._asked, self._operation.started_at) as lists:
            for ids in lists:
                while ids and not self._is_over():
                    if self._stop.wait(self._pace.wait_seconds()):
                        break
                    batch = claiming.claim(
                        self._connection,
                        self._operation,
                        self._asked,
                        ids[: self._pace.most(reading.IDS)],
                        breaker=lambda death: dependency.of(death, self._asked.edit, self._tasks),
                        held=self._take,
                        refusal=self._queues.refusal,
                    )
                    if not batch.taken:
                        # Another process goes on with the same replay, and has reached the limit.
                        return claimed, {}
                    ids = ids[batch.taken :]  # noqa: PLW2901 (what is left of them)
                    self._skipped += batch.skipped
                    waits_for |= batch.held
                    if batch.id:
                        enqueue(self._channel, batch.id, batch.messages)
                        confirm(self._connection, batch.id)
                        self._count(len(batch.messages))
                        claimed += len(batch.messages)
        return claimed, waits_for

    def _held(self, breaker: str, queue: str) -> str | None:
        return self._queues.held(queue) or self._breakers.held(breaker)

    def _take(self, breaker: str, queue: str) -> str | None:
        waits_for = self._held(breaker, queue)
        if waits_for is None:
            self._breakers.go(breaker)
        return waits_for

    def _count(self, letters: int) -> None:
        self._pace.count(letters)
        self._done += letters
        self._on_progress(self._done, self._matched)

    def _is_over(self) -> bool:
        limit = self._asked.limit
        return self._stop.is_set() or (limit is not None and self._done >= limit)

    def _wait(self, waits_for: dict[tuple[str, str], str]) -> None:
        """Wait until one of the breakers and queues lets go on, and say what is waited for."""
        said = ""
        while not self._stop.is_set():
            now = [self._held(*each) for each in waits_for]
            if not all(now):
                return
            reasons = "; ".join(sorted({reason for reason in now if reason}))
            if reasons != said:
                self._say(f"waiting: {reasons}")
                said = reasons
            self._stop.wait(_HELD_PAUSE_SECONDS)

    def _left(self) -> int:
        return reading.count(self._connection, self._asked, self._operation.started_at)
