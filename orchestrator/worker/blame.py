"""What the main process says of a breaker: that a process was killed, or that a task waited too long."""

from __future__ import annotations

from typing import Any

import structlog

from orchestrator import times
from orchestrator.breaker import breaker
from orchestrator.breaker.hub import hub
from orchestrator.breaker.report import told
from orchestrator.errors import InvalidBreaker
from orchestrator.worker import aside

_LOG = structlog.get_logger(__name__)


def on(request: Any, error: BaseException) -> None:
    """Count a failure of what the request depends on: the process that ran it cannot tell any more."""
    if not request.breaker:
        return
    token = aside.token(request.claim.envelope.get("headers"), request.breaker)
    try:
        breaker(request.breaker).report_failure(told(error), token)
    except InvalidBreaker as wrong:
        _LOG.warning("breaker_ignored", breaker=request.breaker, error=str(wrong))


def of_waiting(name: str, waited_seconds: float) -> str:
    """Why a task that has waited for a breaker will not run, and the last error of what it depends on."""
    details = hub().ask(lambda store: store.details(name))
    because = f"; its last error: {details.error}" if details and details.error else ""
    return f"the task has waited {times.length(waited_seconds)} for the circuit of {name!r} to close{because}"
