"""Refuses messages whose headers would only fail later, in a place that takes the worker down with it."""

from __future__ import annotations

from typing import Any

from celery.exceptions import InvalidTaskError

# Hard and soft.
_LIMITS = 2


def check(request: Any) -> None:
    """Hold a request's headers and arguments against what Celery takes for granted.

    Raises:
        InvalidTaskError: saying what is wrong.
    """
    limits = request.time_limits
    if (
        not isinstance(limits, list | tuple)
        or len(limits) != _LIMITS
        or not all(_is_limit(each) for each in limits)
    ):
        raise InvalidTaskError(f"the header timelimit must be two numbers or nulls: {limits!r}")
    if not isinstance(request.id, str):
        raise InvalidTaskError(f"the header id must be text: {request.id!r}")
    if not isinstance(request._request_dict.get("retries") or 0, int):  # noqa: SLF001
        raise InvalidTaskError("the header retries must be a number")
    if not isinstance(request._args, list | tuple):  # noqa: SLF001
        raise InvalidTaskError("the arguments are no list")
    if not isinstance(request._kwargs, dict):  # noqa: SLF001
        raise InvalidTaskError("the keyword arguments are no mapping")


def _is_limit(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value >= 0)
