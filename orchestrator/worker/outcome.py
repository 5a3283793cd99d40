"""What an exception means for a delivered task: the reason of its dead letter."""

import traceback
from typing import Any

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from billiard.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded, WorkerLostError
from celery.exceptions import InvalidTaskError, MaxRetriesExceededError, Reject
from kombu.exceptions import ContentDisallowed, DecodeError, EncodeError

from orchestrator.deadletter.fingerprint import CAUSED
from orchestrator.deadletter.reasons import Reason
from orchestrator.errors import BreakerOpen, DeadlineExceeded, TooManyDeliveries
from orchestrator.retry.again import GIVEN_UP

# On an exception: why it is not tried again, although it could be.
HOPELESS = "omninode_hopeless"

_REASONS: tuple[tuple[type[BaseException], Reason], ...] = (
    (DeadlineExceeded, "deadline_exceeded"),
    (TimeLimitExceeded, "hard_timeout"),
    (SoftTimeLimitExceeded, "soft_timeout"),
    (WorkerLostError, "worker_lost"),
    (EncodeError, "unserializable_result"),
    (TooManyDeliveries, "too_many_deliveries"),
    (BreakerOpen, "circuit_open"),
    (MaxRetriesExceededError, "retries_exhausted"),
    (Reject, "rejected"),
    (InvalidTaskError, "invalid"),
    (ContentDisallowed, "invalid"),
    (DecodeError, "undecodable"),
)


def bare(exc_info: Any) -> BaseException:
    """The exception itself: billiard wraps it to carry a traceback through pickle."""
    error = exc_info.exception
    return error.exc if isinstance(error, ExceptionWithTraceback) else error  # type: ignore[no-any-return]


def raised(error: BaseException, cause: str = "") -> Any:
    """Celery's account of an exception that was raised here and now, where nobody looks for its origin.

    `cause` is the traceback of what it follows from.
    """
    try:
        raise error
    except type(error):
        account = ExceptionInfo()
    words = "".join(traceback.format_exception_only(error))
    account.traceback = f"{cause.rstrip()}\n{CAUSED}{words}" if cause else words
    return account


def reason_of(error: BaseException, retries: int, max_retries: int | None) -> Reason:
    """The reason of the letter; an exception after the last of several attempts is `retries_exhausted`."""
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    if getattr(error, HOPELESS, ""):
        return "retries_exhausted"
    given_up = getattr(error, GIVEN_UP, False) or (max_retries is not None and retries >= max_retries)
    return "retries_exhausted" if retries > 0 and given_up else "exception"
