"""Shows messages without taking them: the head of a queue, what waits for its time, what for a breaker."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from kombu.utils.encoding import bytes_to_str

from orchestrator import redaction
from orchestrator.queues.survey import priority_of, queue_of
from orchestrator.stamp import BREAKER, enqueued_at
from orchestrator.timeouts import deadline, given
from orchestrator.transport import asides
from orchestrator.transport.envelope import decode

_SHOWN_BYTES = 60


@dataclass(frozen=True)
class Shown:
    """What can be said of a message; `error` where it is none.

    `breaker` is that of its dependency; of what is set aside the one that it waits for, and `until` when it
    waits no longer. `deadline` is when the task must be over with all its attempts; instead of that
    `left_seconds` is what a default one leaves from the next claim on. `is_due_too_late`: its eta is not
    before its deadline.
    """

    queue: str
    priority: int = 0
    task: str = ""
    id: str = ""
    args: str = ""
    kwargs: str = ""
    retries: int = 0
    age_seconds: float | None = None
    due: str = ""
    breaker: str = ""
    until: str = ""
    error: str = ""
    deadline: str = ""
    left_seconds: float | None = None
    is_due_too_late: bool = False


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


def set_aside(channel: Any, queue: str | None, most: int) -> list[Shown]:
    """What waits for a breaker, by the breakers' names, of each the one first whose wait ends first."""
    return list(islice(_aside(channel, queue), most))


def _aside(channel: Any, queue: str | None) -> Iterator[Shown]:
    with channel.plain_client() as client:
        for name in asides.breakers(client, channel.keys):
            times, messages, _ = channel.keys.release(name)
            for until, target, raw in _held_back(client, times, messages):
                shown = show(queue_of(target, channel.global_keyprefix), raw, priority_of(target))
                if queue in (None, shown.queue):
                    yield replace(shown, breaker=redaction.printable(name), until=until)


def _delayed(channel: Any, queue: str | None) -> Iterator[Shown]:
    times, messages, _ = channel.keys.delay()
    with channel.plain_client() as client:
        for due, target, raw in _held_back(client, times, messages):
            name = queue_of(target, channel.global_keyprefix)
            if queue in (None, name):
                yield show(name, raw, priority_of(target), due)


def _held_back(client: Any, times: str, messages: str) -> Iterator[tuple[str, str, bytes]]:
    """Until when each message waits, its list and its bytes, the earliest first."""
    for identity, until_ms in client.zrange(times, 0, -1, withscores=True):
        value = client.hget(messages, identity)
        if value is not None:
            target, raw = value.split(b"\n", 1)
            until = datetime.fromtimestamp(until_ms / 1000, UTC).isoformat(timespec="milliseconds")
            yield until, bytes_to_str(target), raw


def _deadline(headers: Mapping[str, Any]) -> dict[str, Any]:
    now = time.time()
    found = deadline.read(headers, now)
    if found is None:
        return {}
    if found.is_default and headers.get(deadline.IS_DEFAULT) is not True:
        # It begins to count with the next claim.
        return {"left_seconds": round(found.at - now, 3)}
    eta = given.eta_of(headers, now)
    return {"deadline": deadline.text(found.at), "is_due_too_late": eta is not None and eta >= found.at}


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
            redaction.printable(headers.get(BREAKER) or ""),
            **_deadline(headers),
        )
    except (ValueError, AttributeError, TypeError) as error:
        return Shown(
            queue, priority, due=due, error=f"{error}: {redaction.printable(repr(raw[:_SHOWN_BYTES]))}"
        )
