"""Which breaker a delivered task depends on: what its message says, or else what its task names."""

from __future__ import annotations

from typing import Any

from orchestrator import stamp
from orchestrator.stamp import ASIDE, BREAKER
from orchestrator.worker import aside


def of(request: Any) -> str:
    """The name of the request's breaker; "" for none.

    A header that can be no name is another program's. Without one, as from a plain producer, the arguments
    decide.
    """
    named = request.request_dict.get(BREAKER)
    if stamp.is_name(named):
        return str(named)
    return stamp.dependency(request.task, request._args, request._kwargs)  # noqa: SLF001 (Celery's)


def tell(request: Any) -> str:
    """Write its breaker and its mark into what the task's process gets, and return the breaker.

    A message of the first protocol has them elsewhere, or not at all.
    """
    told, name, headers = request.request_dict, of(request), request.claim.envelope.get("headers")
    _put(told, BREAKER, name)
    _put(told, ASIDE, headers[ASIDE] if aside.read(headers) else None)
    return name


def _put(told: dict[str, Any], header: str, value: Any) -> None:
    if value:
        told[header] = value
    else:
        told.pop(header, None)
