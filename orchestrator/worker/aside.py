"""The mark of a message that was set aside: under which id, since when, and for which breaker."""

from __future__ import annotations

import math
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.stamp import ASIDE, is_name
from orchestrator.transport.claim import Claim
from orchestrator.transport.envelope import Envelope

_LONGEST_ID = 200


@dataclass(frozen=True)
class Mark:
    """`since` is when it was set aside for the first time in this attempt, in Unix seconds of the broker."""

    id: str
    since: float
    breaker: str


def read(headers: Any) -> Mark | None:
    """The mark in a message's headers; None where there is none, or what is there is not ours."""
    found = headers.get(ASIDE) if isinstance(headers, dict) else None
    if not isinstance(found, dict):
        return None
    aside_id, since, breaker = (found.get(name) for name in ("id", "since", "breaker"))
    if not isinstance(aside_id, str) or not isinstance(breaker, str) or not isinstance(since, int | float):
        return None
    is_id = aside_id.isascii() and 0 < len(aside_id) <= _LONGEST_ID
    return (
        Mark(aside_id, float(since), breaker) if is_id and math.isfinite(since) and is_name(breaker) else None
    )


def token(headers: Any, breaker: str) -> str:
    """The id under which it waited for this breaker, and the token of its probe; "" if it did not."""
    mark = read(headers)
    return mark.id if mark and mark.breaker == breaker else ""


def waited_seconds(claim: Claim, now: float) -> float:
    """For how long it has waited in this attempt; 0 where it never did."""
    mark = read(claim.envelope.get("headers"))
    return max(0.0, now - mark.since) if mark else 0.0


def set_aside(claim: Claim, envelope: Envelope, breaker: str, seconds: float, now: float) -> None:
    """Let the claimed message, as it is here, wait for the breaker, for so long at most.

    Those that wait go on in the order in which their waits end.
    It keeps its id: a probe that came back before it ran still has its lease.
    """
    before = read(envelope.get("headers"))
    mark = Mark(before.id if before else uuid.uuid4().hex, min(before.since, now) if before else now, breaker)
    headers = envelope["headers"] | {ASIDE: asdict(mark)}
    claim.set_aside(breaker, seconds, mark.id, envelope | {"headers": headers})
