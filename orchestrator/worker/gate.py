"""Holds tasks back, before they reach a process, while the circuit of what they depend on is open."""

from __future__ import annotations

from typing import Any

import structlog
from celery.worker import state

from orchestrator.breaker import Breaker, breaker
from orchestrator.breaker.state import State
from orchestrator.errors import BreakerOpen, InvalidBreaker
from orchestrator.retry.again import PutBack
from orchestrator.worker import aside, blame, clock, deadlines, guarding, waits

_LOG = structlog.get_logger(__name__)


def lets_in(name: str, headers: Any) -> bool:
    """Whether a task that depends on this breaker ("" for none) may begin, as far as this process knows.

    While it is tried out, and in the ramp after that, only those go on that the mover has let go. Nothing is
    asked of Redis, but once when a process meets a breaker for the first time.
    """
    if not name:
        return True
    try:
        circuit = known(name).state
    except InvalidBreaker as error:
        _LOG.warning("breaker_ignored", breaker=name, error=str(error))
        return True
    if not circuit.holds_calls_back:
        return True
    return bool(aside.token(headers, name)) and lets_go(circuit)


def known(name: str) -> Breaker:
    """The breaker, of which this process hears from now on.

    Raises:
        InvalidBreaker: none can have this name.
    """
    found = breaker(name)
    if not found.standing.is_known:
        found.standing.make_known()
    return found


def lets_go(circuit: State) -> bool:
    """Whether some of what waits for the breaker may go on now."""
    if circuit.mode in {"disabled", "shadow"}:
        return True
    if circuit.mode == "isolated":
        return False
    return circuit.circuit != "open" or circuit.left_seconds <= 0


def holds_back_retry(request: Any, asked: PutBack) -> bool:
    """Whether the failure that a retry is asked for was one of several after which the circuit has opened.

    Its own process could not know of that yet; nothing is asked of Redis.
    """
    if not request.breaker or not asked.is_plain:
        return False
    return guarding.is_of_an_outage(breaker(request.breaker), asked)


def set_aside(request: Any, name: str) -> None:
    """Let a request's message wait for the breaker; one that has waited too long is buried instead.

    Its wait ends when it would have ended before, also where it was tried meanwhile, and has failed; and with
    a deadline that somebody has asked for.
    """
    limit_seconds, now = known(name).policy.wait_limit_seconds, clock.now()
    waited_seconds = aside.waited_seconds(request.claim, now)
    wait_seconds = min(limit_seconds - waited_seconds, deadlines.wait_seconds(request.deadline))
    if deadlines.is_over(request.deadline):
        request.fail_unrun(lambda: deadlines.no_further(request.deadline, f"the circuit of {name!r} is open"))
    elif wait_seconds > 0:
        state.task_ready(request)
        envelope = request.claim.envelope
        waiting = deadlines.set_aside(envelope, request.deadline)
        if request.time_start is not None:
            waiting = waits.marked(envelope, waiting) or waiting
        aside.set_aside(request.claim, waiting, name, wait_seconds, now)
    else:
        request.fail_unrun(lambda: BreakerOpen(name, detail=blame.of_waiting(name, waited_seconds)))
