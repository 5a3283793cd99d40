"""Every outcome of a delivered task, decided once, in the worker's main process.

A request ends as exactly one of: success, put back (retry, wait, rejected, lost child), dead letter, revoked.
What the child has reported itself (result, state, hooks) is only settled here; the rest is told first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from billiard.einfo import ExceptionInfo
from billiard.exceptions import SoftTimeLimitExceeded, Terminated, TimeLimitExceeded, WorkerLostError
from celery import states
from celery.exceptions import Ignore, Reject, Retry
from celery.utils.saferepr import saferepr
from celery.worker import request as stock
from celery.worker import state
from redis.exceptions import RedisError

from orchestrator import events, logger
from orchestrator.deadletter import letter
from orchestrator.deadletter.death import replay_of
from orchestrator.deadletter.reasons import Reason
from orchestrator.errors import TooManyDeliveries
from orchestrator.retry.again import PutBack, SetAside, Waiting
from orchestrator.transport import holdings
from orchestrator.transport.claim import Claim, Outcome
from orchestrator.worker import (
    blame,
    chords,
    deadlines,
    dependency,
    gate,
    lost,
    put_back,
    reporter,
    retrying,
    revocations,
    telling,
    waits,
)
from orchestrator.worker.checking import check
from orchestrator.worker.outcome import bare, raised, reason_of
from orchestrator.worker.reporter import Reporter
from orchestrator.worker.timing import Timing
from orchestrator.worker.unstored import Unstored

_LOG = logger.get(__name__)

# Celery's mark of what beat has sent.
FROM_BEAT = "celery_beat_task"


class Request(stock.Request):  # type: ignore[misc]
    """A task to run, and the claim of its message."""

    def __init__(self, message: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(message, *args, **kwargs)
        check(self)
        self.claim: Claim = message.claim
        self._tried_before = self.claim.deliveries > 0 or _retries(self._request_dict) > 0
        # The transport has watched the eta: nothing is left to wait for here.
        self._eta = None
        self.breaker = dependency.tell(self)
        self.deadline = deadlines.tell(self)
        self.timing = Timing(self.name, self.id, self.deadline)

    # -- before it runs

    @property
    def reporter(self) -> Reporter:
        """Who tells of its outcome beside the event loop."""
        return reporter.current()

    def revoked(self) -> bool:
        """Whether it must not run: not ours, revoked, expired, delivered too often, late, or set aside."""
        if not self._is_still_ours():
            state.task_ready(self)
            return True
        if super().revoked():
            return True
        if self.claim.deliveries >= self.claim.ledger.max_deliveries:
            self._fail_undelivered()
            return True
        if deadlines.is_over(self.deadline):
            self.fail_late(lambda: deadlines.unbegun(self))
            return True
        if not gate.lets_in(self.breaker, self.claim.envelope.get("headers")):
            gate.set_aside(self, self.breaker)
            return True
        return False

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """A process has begun with it."""
        self.claim.start()
        # Settling is late whatever the task says: early acknowledgement would lose it.
        super().on_accepted(pid, time_accepted)
        self.timing.begin(pid, time_accepted, self.time_start)
        if not self._tried_before and events.is_heard():
            waits.tell(self.name, self.claim.queue, self.claim.envelope.get("headers"), self.time_start)

    def _is_still_ours(self) -> bool:
        for keeper in holdings.keepers():
            if keeper.ledger is self.claim.ledger and keeper.is_stale:
                # This process was frozen or cut off, and the lease may have ended meanwhile.
                try:
                    keeper.renew()
                except (RedisError, OSError) as error:
                    _LOG.debug("redis_away", error=str(error))
        return self.claim.is_ours

    # -- when it has run

    def on_timeout(self, soft: bool, timeout: float) -> None:  # noqa: FBT001 (billiard's)
        """A limit has struck; the outcome follows by itself, from the child or as TimeLimitExceeded."""
        if soft or not state.should_terminate:
            self.timing.strike(soft=soft, seconds=timeout)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """It has raised, was killed, or asks for something: decide what becomes of it."""
        try:
            self._decide(bare(exc_info), exc_info, is_told=return_ok)
        except Exception as trouble:
            if not self.claim.is_ours:
                raise
            # It asks for what no message can carry, such as a wait without end.
            self._fail(trouble, ExceptionInfo())

    def _decide(self, error: BaseException, exc_info: Any, *, is_told: bool) -> None:
        if isinstance(error, Unstored):
            self._store(error)
        elif isinstance(error, Terminated):
            self._terminated(error)
        elif isinstance(error, Waiting):
            put_back.wait(self, error.seconds)
        elif isinstance(error, SetAside):
            gate.set_aside(self, error.breaker)
        elif isinstance(error, Reject):
            state.task_ready(self)
            self._rejected(error, exc_info)
        elif isinstance(error, Ignore):
            state.task_ready(self)
            self.acknowledge()
        elif isinstance(error, Retry):
            state.task_ready(self)
            self.on_retry(exc_info)
        elif isinstance(error, SystemExit | KeyboardInterrupt | WorkerLostError):
            self._lost(error, exc_info)
        elif is_told:
            state.task_ready(self)
            self._send_failed(exc_info)
            self._bury(error, exc_info.traceback)
        else:
            self._fail(error, exc_info)

    def on_retry(self, exc_info: Any) -> None:
        """Put the same message back, with what `retry()` has changed."""
        asked = bare(exc_info)
        self.timing.tell(getattr(asked, "exc", None) or asked)
        if not isinstance(asked, PutBack):
            # Its next attempt was published with options that a put-back does not know.
            self.acknowledge("")
        elif not put_back.retry(self, asked, exc_info):
            return
        if self._eventer and self._eventer.enabled:
            cause = saferepr(getattr(asked, "exc", None))
            self.send_event("task-retried", exception=cause, traceback=str(exc_info.traceback))

    def info(self, safe: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 (Celery's)
        """What `inspect` shows: a task that has begun counts as acknowledged: it is settled from here on."""
        info: dict[str, Any] = super().info(safe)
        return info | {"acknowledged": self.acknowledged or self.claim.started}

    def acknowledge(self, outcome: Outcome = "resolved") -> None:
        """It is done: nothing is left of its message. Of a replay this is the outcome."""
        self.acknowledged = True
        if outcome == "resolved":
            self.timing.recover()
            self.timing.tell()
            retrying.ended(self, well=True)
        self._settle(lambda: self.claim.done(outcome))

    def reject(self, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 (Celery's)
        """Put it back, counting a delivery, or bury it."""
        self.acknowledged = True
        if requeue:
            self.timing.tell(Reject("rejected", requeue=True))
            self.claim.reject()
            self.send_event("task-rejected", requeue=True)
        else:
            self._bury(Reject("rejected", requeue=False), "")

    # -- what can become of it

    def _terminated(self, error: BaseException) -> None:
        state.task_ready(self)
        if self._already_cancelled:
            # A cold shutdown: the message goes back with everything else that is held.
            return
        if not self._already_revoked:
            self._announce_revoked("terminated", True, str(error), False)

    def _rejected(self, error: Any, exc_info: Any) -> None:
        if error.requeue:
            self.reject(requeue=True)
        else:
            self._fail(error, exc_info, hooks=False)

    def _lost(self, error: BaseException, exc_info: Any) -> None:
        """Its process was killed: a failed attempt."""
        state.task_ready(self)
        if self._already_cancelled or self._already_revoked or state.should_terminate:
            return
        if not isinstance(error, WorkerLostError):
            exc_info = self._worker_lost_info(error)
            error = bare(exc_info)
        blame.on(self, error)
        # Looking into the result backend takes a while: not in the event loop.
        self._tried_before = True
        self._decide_beside(lambda: lost.report(self, error, exc_info), lambda: error)

    def _fail(self, error: BaseException, exc_info: Any, *, hooks: bool = True) -> None:
        """Nobody has reported this failure yet: tell it, then bury the message."""
        state.task_ready(self)
        if state.should_terminate and isinstance(error, TimeLimitExceeded | SoftTimeLimitExceeded):
            return
        if isinstance(error, TimeLimitExceeded):
            blame.on(self, error)
            # Looking into the result backend takes a while: not in the event loop.
            self._decide_beside(lambda: lost.report_killed(self, error, exc_info), lambda: error)
        else:
            self.tell_then_bury(error, exc_info, hooks=hooks)

    def _fail_undelivered(self) -> None:
        count = self.claim.deliveries
        message = (
            f"delivered {count} times without an outcome: the worker died of it, or it was rejected each time"
        )
        self.fail_unrun(lambda: TooManyDeliveries(message))

    def expire(self) -> None:
        """It has expired."""
        self._announce_revoked("expired", False, None, True)

    def fail_late(self, of: Callable[[], BaseException]) -> None:
        """It is too late to begin. A tick of beat with which nobody has begun is no letter."""
        if self._tried_before or not self._is_tick:
            self.fail_unrun(of)
            return
        why = str(of())
        _LOG.warning("tick_not_begun", task=self.name, task_id=self.id, error=why)
        self._announce_revoked(why, False, None, True)

    def fail_unrun(self, of: Callable[[], BaseException]) -> None:
        """It will not run: beside the event loop find out what it dies of, tell it, and bury the message."""
        state.task_ready(self)
        self._decide_beside(lambda: self._report_unrun(of()), of)

    def _decide_beside(self, decide: Callable[[], None], of: Callable[[], BaseException]) -> None:
        """Decide beside the event loop; what it died of is the letter's where that fails again and again."""
        self.reporter.report(decide, _nothing, lambda: self._bury(of(), ""))

    def _report_unrun(self, error: BaseException) -> None:
        if lost.has_succeeded(self):
            return
        _LOG.error("task_not_begun", task=self.name, task_id=self.id, error=str(error))
        self.tell_then_bury(error, raised(error))

    def tell_then_bury(self, error: BaseException, exc_info: Any, *, hooks: bool = True) -> None:
        """Result backend, hooks, signals and events first; then the letter, also where none can be told."""
        traceback = str(exc_info.traceback)

        def tell() -> None:
            telling.failure(self, error, exc_info, hooks=hooks)
            self._send_failed(exc_info)

        self.reporter.report(tell, lambda: self._bury(error, traceback))

    def _store(self, unstored: Unstored) -> None:
        """The result backend was away where the task ran: store the outcome here, then settle."""
        state.task_ready(self, successful=unstored.state == states.SUCCESS)

        def then() -> None:
            if unstored.state == states.IGNORED:
                self.acknowledge()
            elif unstored.error is None:
                self.acknowledge()
                self.send_event("task-succeeded", result=saferepr(unstored.result), runtime=None)
            else:
                self.send_event(
                    "task-failed", exception=saferepr(unstored.error), traceback=unstored.traceback
                )
                self._bury(unstored.error, unstored.traceback)

        self.reporter.report(lambda: telling.unstored(self, unstored), then)

    def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:  # noqa: FBT001
        """It was revoked by a person, which is no letter, or it has expired, which is one.

        A tick of beat that has expired is none: a weekend without workers is no flood of letters. One that is
        replayed is: a person waits for it.
        """
        state.task_ready(self)
        self._already_revoked = True
        self.send_event("task-revoked", terminated=terminated, signum=signum, expired=expired)

        def tell() -> None:
            telling.revocation(self, reason, terminated=terminated, signum=signum, expired=expired)

        def then() -> None:
            if expired and not self._is_tick:
                self.acknowledged = True
                self.claim.bury(self._letter("expired"))
            else:
                self.acknowledge("revoked")
                revocations.forget(self._message.channel, self.id)

        self.reporter.report(tell, then)

    def _bury(self, error: BaseException, traceback: str) -> None:
        self.acknowledged = True
        self.timing.tell(error)
        retrying.ended(self, well=False)
        reason = reason_of(error, _retries(self._request_dict), self.task.max_retries)
        letter = self._letter(reason, error, str(traceback or ""))
        letter["message"] += retrying.explained(error)
        self._settle(lambda: self.claim.bury(letter))

    def _settle(self, settle: Callable[[], None]) -> None:
        """Settle; if an earlier attempt may have died while it sent a chord's body, once that is sent."""
        if self._tried_before and self._context.chord:
            self.reporter.report(lambda: chords.see_to_body(self.task.backend, self._context), settle)
        else:
            settle()

    @property
    def _is_tick(self) -> bool:
        return bool(self._request_dict.get(FROM_BEAT)) and not replay_of(self._request_dict)

    def _letter(
        self, reason: Reason, error: BaseException | None = None, traceback: str = ""
    ) -> dict[str, str]:
        return letter.write(
            reason,
            self.claim.queue,
            self.claim.raw,
            self.claim.original,
            error=error,
            traceback=traceback,
            deliveries=self.claim.deliveries + (reason != "too_many_deliveries"),
            worker=self.hostname,
        )

    def _send_failed(self, exc_info: Any) -> None:
        if not self._eventer or not self._eventer.enabled:
            return
        self.send_event("task-failed", exception=saferepr(bare(exc_info)), traceback=str(exc_info.traceback))

    def list_of(self, queue: str, priority: int | None) -> str:
        """The Redis list of a queue, for a message of this priority; None: its own."""
        channel = self._message.channel
        if priority is None:
            priority = channel._get_message_priority(self.claim.envelope, reverse=False)  # noqa: SLF001
        return str(channel.list_of(queue, priority))


def _retries(request: Mapping[str, Any]) -> int:
    retries = request.get("retries")
    return retries if isinstance(retries, int) else 0


def _nothing() -> None:
    """All that is settled is settled in the report itself."""
