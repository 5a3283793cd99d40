"""Goes through one list of a queue that nobody claims from, and ends what has waited there for too long."""

from __future__ import annotations

import time
from collections.abc import Callable

from celery import Celery

from orchestrator.sweep.ending import Ender
from orchestrator.sweep.judging import Unserved, Verdict, judge
from orchestrator.sweep.reading import Reading
from orchestrator.sweep.swept import Swept
from orchestrator.sweep.taking import Taker
from orchestrator.transport.claim import Claim
from orchestrator.transport.envelope import decode

# What the result backend may take for the messages of one step.
_PATIENCE_SECONDS = 10.0
# A list whose first messages are none of tasks is something else of somebody's.
_TRIED = 50


class Visitor:
    """Visits lists for one sweep; without a taker it only counts what it would end.

    `is_revoked` says whether a person has revoked the task of this id.
    """

    def __init__(
        self,
        app: Celery,
        swept: Swept,
        taker: Taker | None,
        ender: Ender,
        is_revoked: Callable[[str], bool],
    ) -> None:
        self._app, self._swept, self._taker, self._ender = app, swept, taker, ender
        self._is_revoked = is_revoked

    def visit(
        self,
        reading: Reading,
        unserved: Callable[[], Unserved | None],
        is_over: Callable[[], bool],
        most_passed: float,
    ) -> None:
        """Go through the list, for as long as nobody claims from it.

        To take a message out the server passes by all that lie before it: by so many in all.

        Raises:
            redis.exceptions.RedisError: Redis is away.
        """
        looked_at = tasks = passed = 0
        while not is_over() and passed < most_passed:
            queue = unserved()
            found = reading.next() if queue else []
            if not found or not queue:
                return
            judged = [self._judge(raw, queue) for raw in found]
            looked_at += len(found)
            tasks += sum(is_task for is_task, _ in judged)
            if not tasks and looked_at >= _TRIED:
                return
            if tasks:
                self._swept.queues.add(queue.name)
                self._swept.looked_at += len(found)
            over = [(raw, verdict) for raw, (_, verdict) in zip(found, judged, strict=True)]
            passed += self._end(reading, queue, over)

    def _judge(self, raw: bytes, queue: Unserved) -> tuple[bool, Verdict | None]:
        """Whether it is a task of ours, and why it is to be ended; what else lies there is left alone."""
        try:
            headers = decode(raw)["headers"]
            name, task_id = headers["task"], headers["id"]
        except (ValueError, LookupError, TypeError):
            return False, None
        if not isinstance(name, str) or not isinstance(task_id, str):
            return False, None
        verdict = judge(headers, self._app.tasks.get(name), queue, time.time())
        # As a worker looks at it: what has expired has expired, also where it was revoked.
        if verdict and verdict.reason != "expired" and self._is_revoked(task_id):
            return True, Verdict("revoked", "revoked")
        return True, verdict

    def _end(self, reading: Reading, queue: Unserved, judged: list[tuple[bytes, Verdict | None]]) -> int:
        """End what is over of one step; returns by how many messages the server had to pass for it."""
        taken: list[tuple[Claim, Verdict]] = []
        passed = 0
        for raw, verdict in judged:
            claim = self._take(reading, queue, raw, verdict) if verdict else None
            if claim is None or verdict is None:
                reading.depth += 1
                continue
            passed += reading.depth
            taken.append((claim, verdict))
            self._ender.end(claim, verdict)
        if taken:
            reading.depth += self._settle(taken)
        return passed

    def _take(self, reading: Reading, queue: Unserved, raw: bytes, verdict: Verdict) -> Claim | None:
        if self._taker:
            return self._taker.take(reading.name, reading.depth + 1, raw)
        self._swept.count(verdict.reason, queue.name)
        return None

    def _settle(self, taken: list[tuple[Claim, Verdict]]) -> int:
        """Wait until they are told; returns how many are not, and go back to where they are claimed next."""
        unsettled = 0
        self._ender.finish(_PATIENCE_SECONDS)
        for claim, verdict in reversed(taken):
            if claim.is_ours:
                unsettled += 1
                claim.release()
            else:
                self._swept.count(verdict.reason, claim.queue)
        if unsettled and self._taker:
            # Before the next ones are read, which lie behind them.
            self._taker.keeper.flush()
        self._swept.unsettled += unsettled
        return unsettled
