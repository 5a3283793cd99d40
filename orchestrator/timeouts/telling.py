"""Tells of an operation: its warning, its timeout, and how it ended, in the log, as events, and in counts."""

from __future__ import annotations

from asyncio import CancelledError

from orchestrator import events, logger
from orchestrator.errors import TimeoutExceeded
from orchestrator.timeouts.operation import Operation

_LOG = logger.get(__name__)


def near(operation: Operation) -> None:
    """The part of its time is over that a warning is due after."""
    elapsed_seconds, limit_seconds = operation.elapsed_seconds, operation.limit_seconds
    operation.was_warned = True
    operation.tally.warnings += 1
    _LOG.tell(
        "warning",
        "operation_near_its_limit",
        operation=operation.name,
        limit_seconds=round(limit_seconds, 3),
        elapsed_seconds=round(elapsed_seconds, 3),
        seconds_left=round(operation.left_seconds, 3),
    )
    limit: events.Limit = "operation" if operation.limit_at < operation.ends_at else operation.cause
    events.emit(events.TimeoutNear(operation.name, limit, limit_seconds, elapsed_seconds))


def struck(operation: Operation) -> None:
    """It is told to stop; where one around it ended, which tells of that itself, nothing is said."""
    if operation.was_struck or not _is_its_own(operation):
        return
    operation.was_struck = True
    _LOG.tell(
        "warning",
        "operation_timed_out",
        operation=operation.name,
        limit=operation.cause,
        limit_seconds=round(operation.end_seconds, 3),
        elapsed_seconds=round(operation.elapsed_seconds, 3),
    )
    events.emit(events.TimeoutStruck(operation.name, operation.cause, operation.end_seconds))


def ignored(operation: str, elapsed_seconds: float) -> None:
    """It was told to stop, and goes on."""
    _LOG.tell(
        "warning", "ignores_cancellation", operation=operation, elapsed_seconds=round(elapsed_seconds, 3)
    )


def ended(operation: Operation, error: BaseException | None, now: float) -> None:
    """It has ended before its end, or with what is not for it to name: an error, cancelled from outside.

    No interrupt comes between a count and the outcome that says that it was counted.
    """
    tally = operation.tally
    operation.ended_at = now
    if error is None:
        tally.completed += 1
        operation.outcome = "completed"
        _tell(operation, now)
        if operation.adaptive is not None:
            operation.adaptive.observe(now - operation.began, timed_out=False)
        if now >= operation.limit_at:
            tally.grace_recoveries += 1
            _recovered(operation, now)
    elif isinstance(error, CancelledError | GeneratorExit):
        tally.cancelled += 1
        operation.outcome = "cancelled"
        _tell(operation, now, error)
    else:
        tally.failed += 1
        operation.outcome = "failed"
        _tell(operation, now, error)


def timed_out(operation: Operation, now: float) -> None:
    """It has ended because its time was over, or that of one around it."""
    is_its_own = _is_its_own(operation)
    tally = operation.tally
    operation.ended_at = now
    tally.failed += 1
    operation.outcome = "failed"
    if is_its_own:
        tally.timeouts += 1
        tally.global_timeouts += operation.cause == "global"
        struck(operation)
        if operation.adaptive is not None and operation.cause == "operation":
            operation.adaptive.observe(now - operation.began, timed_out=True)
    _tell(operation, now, TimeoutExceeded(operation.name, 0, 0))


def _is_its_own(operation: Operation) -> bool:
    return operation.end_of is operation or operation.end_of.is_over


def _recovered(operation: Operation, now: float) -> None:
    elapsed_seconds = now - operation.began
    _LOG.tell(
        "info",
        "operation_ended_in_grace",
        operation=operation.name,
        limit_seconds=round(operation.limit_seconds, 3),
        elapsed_seconds=round(elapsed_seconds, 3),
    )
    events.emit(events.GraceRecovered(operation.name, operation.limit_seconds, elapsed_seconds))


def _tell(operation: Operation, now: float, error: BaseException | None = None) -> None:
    if events.is_heard():
        events.emit(
            events.CallEnded(
                operation.name,
                "timeout_context",
                now - operation.began,
                error is None,
                "" if error is None else type(error).__name__,
            )
        )
