"""What the main process does about a retry: it keeps to the budget of its dependency, or is given up.

Decided from memory when an attempt is settled; a thread exchanges the counts with the fleet beside it.
"""

from __future__ import annotations

import math
import threading
import traceback
from contextlib import suppress
from copy import copy
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from orchestrator import redaction, settings, times
from orchestrator.deadletter.death import FAILURES, moment
from orchestrator.deadletter.letter import class_of
from orchestrator.retry import budget
from orchestrator.retry.again import PutBack
from orchestrator.retry.budgets import Budgets
from orchestrator.retry.exchanging import Exchanger
from orchestrator.retry.experience import Experience
from orchestrator.retry.odds import Failure, verdict
from orchestrator.retry.policy import Policies, RetryPolicy, chosen
from orchestrator.worker.outcome import HOPELESS

_BUDGETS_SECONDS, _EXPERIENCE_SECONDS = 1.0, 10.0
# How long before it expires, or its deadline, a retry is made at the latest.
_BEFORE_EXPIRY_SECONDS = 5.0


class Retrying:
    """The budgets and the experience of one worker process, and the thread that shares them."""

    def __init__(self) -> None:
        random = Random()  # noqa: S311 (jitter is no secret)
        current = settings.current()
        self.budgets = Budgets(budget.terms(), random)
        self.experience = Experience(random)
        self.exchanger = Exchanger(
            current.redis_url,
            current.key_prefix,
            (self.budgets, _BUDGETS_SECONDS),
            (self.experience, _EXPERIENCE_SECONDS),
        )
        self.exchanger.start()


def ended(request: Any, *, well: bool) -> None:
    """An attempt has ended, and no other one follows: count it."""
    claim = request.claim
    # What was never begun here was no attempt, and what is settled already was counted.
    if claim.started and claim.is_ours:
        _count(request, well=well)


def gives_up(request: Any, asked: PutBack) -> str:
    """Why the retry that was asked for is not worth it; "" where it is. Its cause is marked then."""
    if asked.exc is None or not _learns(request.task):
        return ""
    current = _current()
    failure = Failure(request.name, redaction.printable(class_of(asked.exc)), _retries(request) + 1)
    odds = current.experience.gives_up(failure)
    current.exchanger.keep_going()
    if odds is None:
        known = current.experience.odds(failure)
        asked.note = str(known) if known.observed else ""
        return ""
    words = verdict(failure, odds)
    with suppress(AttributeError):
        setattr(asked.exc, HOPELESS, words)
    return words


def explained(error: BaseException) -> str:
    """What a letter adds to the error's own words: why it was not tried again where it could have been."""
    words = getattr(error, HOPELESS, "")
    return f" ({words})" if isinstance(words, str) and words else ""


def paced(request: Any, asked: PutBack) -> PutBack:
    """The retry, at the moment that its dependency's budget allows; it never comes earlier than asked for."""
    _count(request, well=False)
    if not request.breaker:
        return asked
    current = _current()
    seconds, is_delayed = current.budgets.place(request.breaker, asked.delay_seconds)
    if is_delayed:
        current.exchanger.wake(current.budgets)
        _put_off(asked, seconds, request)
    return asked


def most(task: Any, error: BaseException) -> int | None:
    """How many retries a task allows after an error that its own process could not tell of."""
    policies: Policies = getattr(task, "retry_policies", {})
    own: int | None = task.max_retries
    named = chosen(policies, error, RetryPolicy()).max_retries
    return own if named is None else named


def told(asked: PutBack, exc_info: Any) -> Any:
    """Celery's account of what the retry was for, instead of the one of the retry."""
    account = copy(exc_info)
    account.type, account.exception = type(asked.exc), asked.exc
    text = str(exc_info.traceback)
    for separator in (traceback._context_message, traceback._cause_message):  # type: ignore[attr-defined]  # noqa: SLF001
        # What comes behind it is how the retry was raised.
        text = text.rpartition(separator)[0].rstrip() or text
    account.traceback = text
    return account


def close() -> None:
    """Tell the fleet what it has not heard yet, within limits."""
    global _retrying  # noqa: PLW0603 (a process has one)
    if _retrying is not None:
        _retrying.exchanger.close()
        _retrying = None


def _count(request: Any, *, well: bool) -> None:
    retries, learns = _retries(request), _learns(request.task)
    if retries == 0 and request.breaker:
        current = _current()
        if current.budgets.note_first(request.breaker):
            current.exchanger.wake(current.budgets)
    elif retries > 0 and learns and (earlier := _last_failure(request)):
        current = _current()
        current.experience.note(Failure(request.name, earlier, retries), paid=well)
        current.exchanger.keep_going()


def _put_off(asked: PutBack, seconds: float, request: Any) -> None:
    now = datetime.now(UTC)
    expires = moment(asked.headers.get("expires") or request.claim.envelope["headers"].get("expires"))
    until = min(request.deadline.at, expires.timestamp() if expires else math.inf)
    left_seconds = until - now.timestamp() - _BEFORE_EXPIRY_SECONDS
    seconds = max(asked.delay_seconds, min(seconds, left_seconds))
    more = seconds - asked.delay_seconds
    words = f"put off for {times.length(more)} more: the retry budget of {request.breaker!r} is used up"
    asked.note = f"{asked.note}; {words}" if asked.note else words
    asked.delay_seconds = seconds
    if asked.headers.get("eta"):
        asked.headers["eta"] = (now + timedelta(seconds=seconds)).isoformat()


def _last_failure(request: Any) -> str:
    """The class of the error that this attempt was the retry for."""
    try:
        error = request.claim.envelope["headers"][FAILURES][-1][1]
    except (TypeError, LookupError):
        return ""
    return error if isinstance(error, str) else ""


def _learns(task: Any) -> bool:
    own = getattr(task, "learn_retries", None)
    return settings.current().learn_retries if own is None else bool(own)


def _retries(request: Any) -> int:
    retries = request.request_dict.get("retries")
    return retries if isinstance(retries, int) else 0


_retrying: Retrying | None = None
_making = threading.Lock()


def _current() -> Retrying:
    global _retrying  # noqa: PLW0603
    if _retrying is None:
        with _making:
            _retrying = _retrying or Retrying()
    return _retrying
