"""How long a task has waited for its turn: told once, when it begins for the first time."""

from __future__ import annotations

from typing import Any

from orchestrator import events
from orchestrator.deadletter.death import LETTER
from orchestrator.stamp import BEGUN, ENQUEUED_AT
from orchestrator.timeouts.deadline import number
from orchestrator.timeouts.given import eta_of
from orchestrator.transport.envelope import Envelope

# More Unix seconds than anybody means; of a number that is none this is false as well.
_NO_TIME = 1e12


def tell(component: str, queue: str, headers: Any, began_at: float) -> None:
    """It begins at this Unix second, with no attempt before it; `headers` are those of its message.

    Nothing is told of a replay, of what had begun before and was only told to wait, and where the producer
    has not said when it was enqueued. A producer whose clock is ahead makes no wait negative.
    """
    enqueued = headers.get(ENQUEUED_AT) if isinstance(headers, dict) else None
    if not (enqueued.__class__ is float and enqueued < _NO_TIME):
        enqueued = number(enqueued)
    if enqueued is None or BEGUN in headers or LETTER in headers:
        return
    due = eta_of(headers, 0.0) if headers.get("eta") else None
    waited = began_at - (enqueued if due is None or due < enqueued else due)
    events.emit(events.Begun(component, queue, max(waited, 0.0)))


def marked(envelope: Envelope, changed: Envelope | None) -> Envelope | None:
    """A message whose task has begun, as it waits for its next look; None where nothing changes in it."""
    headers = (changed or envelope).get("headers")
    if not isinstance(headers, dict) or headers.get(BEGUN) is True:
        return changed
    return (changed or envelope) | {"headers": headers | {BEGUN: True}}
