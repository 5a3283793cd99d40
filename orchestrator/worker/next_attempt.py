"""The message of a task's next attempt: the same one, with what `retry()` has changed in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from orchestrator import redaction
from orchestrator.deadletter.death import FAILURES
from orchestrator.deadletter.letter import class_of, message_of
from orchestrator.retry.again import PutBack
from orchestrator.stamp import ASIDE
from orchestrator.timeouts.deadline import Deadline
from orchestrator.transport.envelope import HELD, Envelope
from orchestrator.worker import deadlines

# Of how many failed attempts a message tells: the first one, and the last ones.
_KEPT_FAILURES = 20
_MESSAGE_CHARACTERS = 200
# More is not looked at: a message that is an upload would be searched for secrets.
_READ_CHARACTERS = 2000
# What a task raises that asks for a retry and does not say why.
_WITHOUT_CAUSE = "celery.exceptions.Retry"


def failed(asked: PutBack, headers: Mapping[str, Any], error: BaseException | None, worker: str) -> PutBack:
    """The next attempt, whose message also tells of the one that has failed now of `error`."""
    words = message_of(error) if error else str(asked.message or "")
    failure = [
        datetime.now(UTC).isoformat(timespec="milliseconds"),
        redaction.printable(class_of(error) or _WITHOUT_CAUSE),
        _first_line(words),
        worker,
    ]
    if asked.note:
        failure.append(asked.note)
    earlier = headers.get(FAILURES)
    failures = [*earlier, failure] if isinstance(earlier, list) else [failure]
    if len(failures) > _KEPT_FAILURES:
        failures = [failures[0], *failures[1 - _KEPT_FAILURES :]]
    asked.headers = asked.headers | {FAILURES: failures}
    return asked


def _first_line(words: str) -> str:
    shown = redaction.printable(words[:_READ_CHARACTERS], keep="\n").strip()
    return shown.partition("\n")[0][:_MESSAGE_CHARACTERS]


def changed(envelope: Envelope, asked: PutBack, of_task: Deadline) -> Envelope:
    """The message as it is put back; the one that was delivered stays as it was."""
    headers = deadlines.retried(envelope["headers"], of_task) | asked.headers
    # The next attempt has waited for nothing yet.
    headers.pop(ASIDE, None)
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
