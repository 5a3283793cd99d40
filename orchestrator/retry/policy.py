"""How often, and how soon, a task is tried again: its own policy, and one for each class of exception."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import InvalidRetryPolicy, PermanentError


def _is_length(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What is different after an exception of one class; None is what the task itself says.

    The first retry comes within `base_seconds`, each further one within twice the time, up to `cap_seconds`;
    `max_retries` counts all retries of the task, whatever they were for.

    Raises:
        InvalidRetryPolicy: a number that there cannot be.
    """

    base_seconds: float | None = None
    cap_seconds: float | None = None
    max_retries: int | None = None

    def __post_init__(self) -> None:
        for name in ("base_seconds", "cap_seconds"):
            value = getattr(self, name)
            if value is not None and not _is_length(value):
                raise InvalidRetryPolicy(f"{name} must be a number of seconds, 0 or more: {value!r}")
        if self.max_retries is not None and not _is_count(self.max_retries):
            raise InvalidRetryPolicy(f"max_retries must be a whole number, 0 or more: {self.max_retries!r}")


# For an exception after which nothing is tried again.
NEVER = RetryPolicy(max_retries=0)

# What a task says of its retries, by name.
OWN = ("retry_base_seconds", "retry_cap_seconds", "max_retries", "learn_retries")

Policies = Mapping[type[BaseException], RetryPolicy]


def chosen(policies: Policies, error: BaseException, own: RetryPolicy) -> RetryPolicy:
    """The policy of the class nearest to the error's own, completed by the task's."""
    nearest = next((policies[kind] for kind in type(error).__mro__ if kind in policies), None)
    if nearest is None:
        return own
    return RetryPolicy(
        own.base_seconds if nearest.base_seconds is None else nearest.base_seconds,
        own.cap_seconds if nearest.cap_seconds is None else nearest.cap_seconds,
        own.max_retries if nearest.max_retries is None else nearest.max_retries,
    )


def check(name: str, own: Mapping[str, Any], policies: Any) -> None:
    """Hold what a task says of its retries against what there can be.

    Raises:
        InvalidRetryPolicy: naming the task, and what is wrong.
    """
    for attribute in ("retry_base_seconds", "retry_cap_seconds"):
        if not _is_length(own[attribute]):
            raise InvalidRetryPolicy(
                f"{name}: {attribute} must be a number of seconds, 0 or more: {own[attribute]!r}"
            )
    if own["max_retries"] is not None and not _is_count(own["max_retries"]):
        raise InvalidRetryPolicy(
            f"{name}: max_retries must be a whole number, 0 or more, or None for no limit: "
            f"{own['max_retries']!r}"
        )
    if own["learn_retries"] not in {None, True, False}:
        raise InvalidRetryPolicy(f"{name}: learn_retries must be True, False or None")
    if not isinstance(policies, Mapping):
        raise InvalidRetryPolicy(f"{name}: retry_policies must be {{exception class: RetryPolicy(…)}}")
    for kind, policy in policies.items():
        _check_one(name, kind, policy)


def _check_one(name: str, kind: Any, policy: Any) -> None:
    if not isinstance(kind, type) or not issubclass(kind, BaseException):
        raise InvalidRetryPolicy(f"{name}: retry_policies: {kind!r} is no class of exceptions")
    if not isinstance(policy, RetryPolicy):
        raise InvalidRetryPolicy(
            f"{name}: retry_policies: {kind.__qualname__} needs a RetryPolicy(…) or NEVER, not {policy!r}"
        )
    if issubclass(kind, PermanentError) and policy != NEVER:
        raise InvalidRetryPolicy(
            f"{name}: retry_policies: a {kind.__qualname__} is never tried again: it is a PermanentError"
        )
