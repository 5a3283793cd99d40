"""What a process tells of one breaker's calls: failures at once and together, successes from time to time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from orchestrator.breaker.known import Known
from orchestrator.breaker.report import Report
from orchestrator.breaker.tally import Tally
from orchestrator.policy import Policy


class Pass(NamedTuple):
    """Leave to make a call: the tally of its epoch (None: it is not counted), and a probe's lease."""

    tally: Tally | None
    lease: str = ""


UNCOUNTED = Pass(None)


class Telling(Known):
    """Counts calls that have ended, and tells Redis of them where it has to know."""

    def end(self, passed: Pass, told: Report) -> bool:
        """Count a call that has ended, and say whether `send` has to be called; new calls wait for that."""
        tally = passed.tally
        if tally is None:
            return False
        if passed.lease:
            return tally.epoch == self.view.state.epoch
        if told.ok + told.failed == 0:
            return False
        with self._lock:
            if tally.epoch != self._tally.epoch or self.view.state.circuit != "closed":
                return False
            if told.ok and not self.view.state.has_failures:
                self._count(told.slow)
                return False
            self._pending = _together(self._pending, told)
            self.clean = None
            return True

    def send(self, probe: Report | None = None) -> None:
        """Tell of calls that have ended: of a probe by itself, of others all that is to be told."""
        with self._wire:
            if probe is None:
                self._send()
            else:
                self._tell(probe)

    def later(self, work: Callable[[], None]) -> None:
        """Have it done soon by the hub's thread, without a lock."""
        if self._hub is not None:
            self._hub.beside.later(work)

    def _count(self, slow: int) -> None:
        self._tally.ok()
        if slow:
            self._tally.slow()

    def _send(self) -> None:
        # What may interrupt it, such as a task's soft limit, ends it in order.
        try:
            told = self._taken()
            if told is not None:
                self._tell(told)
        finally:
            with self._lock:
                self._is_reporting = False
                self._refresh(time.monotonic())

    def _taken(self) -> Report | None:
        with self._lock:
            told, self._pending = self._pending, None
            # Another call may have sent it already, with its own.
            if told is None:
                return None
            self._is_reporting, self._was_used = True, True
            if self.policy.counts_calls and told.epoch == self._tally.epoch:
                ok, slow = self._tally.take()
                told = replace(told, earlier=told.earlier + ok, slow=told.slow + slow)
            return told

    def _tell(self, told: Report) -> None:
        self._telling = told
        try:
            state = None
            if not self._is_here and self._hub is not None:
                state = self._hub.ask(lambda store: store.report(self.name, self.policy, told))
            if state is None:
                self.keep(told)
            else:
                self.hear(state, caused=True)
        finally:
            self._telling = None

    def gather(self) -> tuple[Policy, Report] | None:
        """Successes that nobody knows of yet, where a rate is formed of them."""
        with self._lock:
            # What is under way takes them with it.
            if self._pending is not None or self._is_reporting:
                return None
            ok, slow = self._tally.take()
            if ok + slow == 0:
                return None
            self._was_used = True
            if not self.policy.counts_calls or self.view.state.circuit != "closed":
                return None
            return self.policy, Report(self._tally.epoch, earlier=ok, slow=slow)

    def keep(self, told: Report) -> None:
        """Redis is away: what is told counts in this process."""
        now = time.monotonic()
        with self._lock:
            self._take_on(self._own(now).report(told, now), now, caused=True)


def _together(pending: Report | None, told: Report) -> Report:
    if pending is None or pending.epoch != told.epoch:
        return told
    return replace(
        told,
        ok=pending.ok + told.ok,
        earlier=pending.earlier + told.earlier,
        slow=pending.slow + told.slow,
        failed=pending.failed + told.failed,
        error=told.error or pending.error,
        retry_after_seconds=max(pending.retry_after_seconds, told.retry_after_seconds),
    )
