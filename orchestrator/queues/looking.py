"""Shows messages without taking them: the head of a queue, and what waits for its time."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from kombu.utils.encoding import bytes_to_str

from orchestrator import keys, redaction
from orchestrator.queues.survey import priority_of, queue_of
from orchestrator.stamp import enqueued_at
from orchestrator.transport.envelope import decode

_SHOWN_BYTES = 60


@dataclass(frozen=True)
class Shown:
    """What can be said of a message; `error` where it is none."""

    queue: str
    priority: int = 0
    task: str = ""
    id: str = ""
    args: str = ""
    kwargs: str = ""
    retries: int = 0
    age_seconds: float | None = None
    due: str = ""
    error: str = ""


def peek(channel: Any, queue: str, most: int) -> list[Shown]:
    """The messages that are claimed next, in that order."""
    shown: list[Shown] = []
    with channel.plain_client() as client:
        for priority in channel.priority_steps:
            left = most - len(shown)
            if left > 0:
                found = client.lrange(channel.list_of(queue, priority), -left, -1)
                shown += [show(queue, raw, priority) for raw in reversed(found)]
    return shown


def scheduled(channel: Any, queue: str | None, most: int) -> list[Shown]:
    """What waits for its time, the earliest first."""
    return list(islice(_delayed(channel, queue), most))


def _delayed(channel: Any, queue: str | None) -> Iterator[Shown]:
    prefix = channel.global_keyprefix
    with channel.plain_client() as client:
        for identity, due_ms in client.zrange(keys.delayed(prefix), 0, -1, withscores=True):
            value = client.hget(keys.delayed_messages(prefix), identity)
            if value is None:
                continue
            target, raw = value.split(b"\n", 1)
            name = queue_of(bytes_to_str(target), prefix)
            if queue in (None, name):
                due = datetime.fromtimestamp(due_ms / 1000, UTC).isoformat(timespec="milliseconds")
                yield show(name, raw, priority_of(bytes_to_str(target)), due)


def show(queue: str, raw: bytes, priority: int, due: str = "") -> Shown:
    """What can be said of these bytes, without secrets, and without what a terminal would obey."""
    try:
        headers = decode(raw).get("headers") or {}
        stamp = enqueued_at(headers)
        return Shown(
            queue,
            priority,
            redaction.printable(headers.get("task", "")),
            redaction.printable(headers.get("id", "")),
            redaction.printable(headers.get("argsrepr", "")),
            redaction.printable(headers.get("kwargsrepr", "")),
            int(headers.get("retries") or 0),
            round(time.time() - stamp, 3) if stamp else None,
            due,
        )
    except (ValueError, AttributeError, TypeError) as error:
        return Shown(
            queue, priority, due=due, error=f"{error}: {redaction.printable(repr(raw[:_SHOWN_BYTES]))}"
        )
