"""Refuses messages whose headers would only fail later, in a place that takes the worker down with it."""

from __future__ import annotations

from typing import Any

from celery.exceptions import InvalidTaskError

from orchestrator.timeouts.deadline import number

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
    if not _is_text(request.id):
        raise InvalidTaskError(f"the header id must be text: {request.id!r}")
    if not isinstance(request._request_dict.get("retries") or 0, int):  # noqa: SLF001
        raise InvalidTaskError("the header retries must be a number")
    if not isinstance(request._args, list | tuple):  # noqa: SLF001
        raise InvalidTaskError("the arguments are no list")
    if not isinstance(request._kwargs, dict):  # noqa: SLF001
        raise InvalidTaskError("the keyword arguments are no mapping")
    check_what_follows(request._payload[2])  # noqa: SLF001


def check_what_follows(embedded: Any) -> None:
    """Links, a chain's next steps and a chord's body: each has to be a signature."""
    if not embedded:
        return
    if not isinstance(embedded, dict):
        raise InvalidTaskError("what follows the task is no mapping")
    for name in ("callbacks", "errbacks", "chain"):
        following = embedded.get(name) or []
        if not isinstance(following, list | tuple) or not all(isinstance(each, dict) for each in following):
            raise InvalidTaskError(f"{name} must be a list of signatures")
    if not isinstance(embedded.get("chord") or {}, dict):
        raise InvalidTaskError("the chord's body must be a signature")


def _is_text(value: Any) -> bool:
    """Whether it is text that Redis can keep: a lone surrogate is none."""
    return isinstance(value, str) and value.encode(errors="ignore").decode() == value


def _is_limit(value: Any) -> bool:
    seconds = number(value)
    return value is None or (seconds is not None and seconds >= 0)
