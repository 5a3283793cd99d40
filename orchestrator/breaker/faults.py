"""Whose fault an error is: the dependency's, which then counts as its failure, or nobody's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded

from orchestrator.errors import BreakerOpen, PermanentError, Wait
from orchestrator.retry.healing import can_heal

Verdict = Literal["failure", "neutral"]
# A class of errors, or what says of an error whether it is one of those meant.
Kind: TypeAlias = type[BaseException] | Callable[[BaseException], object]

_logger = logging.getLogger(__name__)

# What a task says to Celery, what stops a call from outside, and our own refusals.
_NEVER = (
    *(Retry, Ignore, Reject),
    *(asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit),
    *(BreakerOpen, Wait, PermanentError),
)


class Faults:
    """Tells failures of a dependency from what is neutral, and counts neither as failure nor as success.

    `expected` and `excluded` are classes of errors, or functions of an error; what is excluded never counts,
    and what is not expected does not either.
    """

    def __init__(
        self,
        expected: Kind | Iterable[Kind] = (Exception,),
        excluded: Kind | Iterable[Kind] = (),
        *,
        soft_limit_counts: bool = True,
    ) -> None:
        self._expected = _kinds(expected, "expected")
        self._excluded = _kinds(excluded, "excluded")
        self._soft_limit_counts = soft_limit_counts

    def verdict(self, error: BaseException) -> Verdict:
        """Whether the dependency has failed; of a group of errors, whether one of them says so."""
        if isinstance(error, _NEVER) or _is_any(error, self._excluded):
            return "neutral"
        if isinstance(error, BaseExceptionGroup):
            inner = {self.verdict(each) for each in error.exceptions}
            return "failure" if "failure" in inner else "neutral"
        if isinstance(error, SoftTimeLimitExceeded) and not self._soft_limit_counts:
            return "neutral"
        return "failure" if can_heal(error) and _is_any(error, self._expected) else "neutral"


def _kinds(given: Kind | Iterable[Kind], field: str) -> tuple[Kind, ...]:
    kinds = tuple(given) if isinstance(given, Iterable) else (given,)
    for kind in kinds:
        is_error = isinstance(kind, type) and issubclass(kind, BaseException)
        if not is_error and (isinstance(kind, type) or not callable(kind)):
            message = f"{field} must be classes of errors, or functions of an error, not {kind!r:.80}"
            raise TypeError(message)
    return kinds


def _is_any(error: BaseException, kinds: tuple[Kind, ...]) -> bool:
    return any(_is(error, kind) for kind in kinds)


def _is(error: BaseException, kind: Kind) -> bool:
    if isinstance(kind, type):
        return isinstance(error, kind)
    try:
        return bool(kind(error))
    except Exception:
        # The caller is to see the error of its call, not one of what was asked about it.
        _logger.exception("whether a circuit breaker counts %s could not be asked", type(error).__name__)
        return False
