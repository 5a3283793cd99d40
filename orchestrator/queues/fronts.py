"""What waits in the queues' lists, and for how long the message that is claimed next has waited for a worker.

It waits since its enqueue, or since its eta, the end of its last attempt, or the moment in which it was set
aside for a breaker, whichever is latest: a task that is tried again in an hour has not waited for that hour.
What was set aside and has gone on counts from when it was set aside: nobody writes down when it went on. A
delivery that a worker's death has given back counts from its enqueue. Foreign messages do not say since when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from kombu.utils.encoding import bytes_to_str
from redis import Redis

from orchestrator.deadletter.death import FAILURES
from orchestrator.queues.lists import Lists
from orchestrator.stamp import ASIDE, ENQUEUED_AT

# So many queues are asked about in one step: each message is looked through for its headers.
_STEP = 25
_FIELDS = 6


@dataclass
class Front:
    """Messages of one queue by priority; `oldest_seconds` is None where none waits or none says since when.

    `has_task` says whether one of those that are claimed next is a task's message.
    """

    messages: dict[int, int] = field(default_factory=dict)
    oldest_seconds: float | None = None
    has_task: bool = False


def look(client: Redis, lists: Lists, queues: Sequence[str]) -> dict[str, Front]:
    """Each queue's front; `client` may answer with text or bytes.

    Raises:
        redis.exceptions.RedisError: Redis does not answer, or a queue's name is that of something else.
    """
    found: dict[str, Front] = {}
    script = client.register_script(_text())
    for first in range(0, len(queues), _STEP):
        step = queues[first : first + _STEP]
        places = [lists.of(queue, priority) for queue in step for priority in lists.steps]
        told: Any = script(keys=places, args=[ENQUEUED_AT, FAILURES, ASIDE])
        now, each = float(told[0]), iter(_of_each(told[1:]))
        for queue in step:
            front = found[queue] = Front()
            for priority in lists.steps:
                _add(front, priority, next(each), now)
    return found


def since(enqueued: str, eta: str, failed: str, aside: str) -> float | None:
    """Since when a message waits, in Unix seconds, by what its headers say; None where it has no stamp."""
    stamped = _number(enqueued)
    if stamped is None:
        return None
    others = (_moment(eta), _moment(failed), _number(aside))
    return max(stamped, *(other for other in others if other is not None), stamped)


def _add(front: Front, priority: int, told: Sequence[Any], now: float) -> None:
    length, *headers, is_task = told
    front.messages[priority] = int(length)
    front.has_task = front.has_task or bool(int(is_task))
    began = since(*map(bytes_to_str, headers))
    if began is not None:
        # A producer's clock may be ahead of Redis's.
        age = round(max(0.0, now - began), 3)
        front.oldest_seconds = max(age, front.oldest_seconds or 0.0)


def _of_each(told: Sequence[Any]) -> list[Sequence[Any]]:
    return [told[first : first + _FIELDS] for first in range(0, len(told), _FIELDS)]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _moment(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


@cache
def _text() -> str:
    return (files(__package__) / "fronts.lua").read_text(encoding="utf-8")
