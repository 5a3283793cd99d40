"""The message of a task's next attempt: the same one, with what `retry()` has changed in it."""

from __future__ import annotations

from orchestrator.retry.again import PutBack
from orchestrator.transport.envelope import HELD, Envelope


def changed(envelope: Envelope, asked: PutBack) -> Envelope:
    """The message as it is put back; the one that was delivered stays as it was."""
    headers = envelope["headers"] | asked.headers
    if asked.delay_seconds > 0:
        headers[HELD] = headers.get("eta")
    else:
        headers.pop(HELD, None)
        headers["eta"] = None
    properties = dict(envelope["properties"])
    if asked.priority is not None:
        properties["priority"] = asked.priority
    if asked.queue is not None:
        # The task, and whatever looks at the message, reads here where it came from.
        properties["delivery_info"] = properties["delivery_info"] | {
            "exchange": "",
            "routing_key": asked.queue,
        }
    following = envelope | {"headers": headers, "properties": properties}
    if asked.body is not None:
        headers.pop("compression", None)
        following["content-type"], following["content-encoding"], following["body"] = asked.body
    return following
