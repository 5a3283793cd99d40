"""How full each queue is: waiting, delayed, in flight, paused."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kombu.utils.encoding import bytes_to_str

from orchestrator import keys
from orchestrator.stamp import ENQUEUED_AT
from orchestrator.transport import asides, counting, delays

_PRIORITY = "\x06\x16"
# What has a meaning of its own in Redis's patterns.
_ESCAPED = str.maketrans({sign: f"\\{sign}" for sign in "\\*?[]"})
# Where answers to remote control go.
_REPLIES = ".reply.celery.pidbox"


@dataclass
class QueueState:
    """One queue: messages by priority in its lists, due later, set aside for breakers, and held by workers.

    `oldest_in_flight_seconds` counts from the moment of its enqueue.
    """

    name: str
    waiting: dict[int, int] = field(default_factory=dict)
    delayed: int = 0
    aside: int = 0
    in_flight: int = 0
    oldest_in_flight_seconds: float | None = None
    paused: bool = False

    @property
    def waiting_in_all(self) -> int:
        """Messages in its lists, of every priority."""
        return sum(self.waiting.values())


def survey(channel: Any, declared: Iterable[str], *, whole: bool = False) -> list[QueueState]:
    """Every queue that is declared, paused, or has messages in flight, due later or set aside, by name.

    With `whole` also those of which nothing else is known than a list: all of Redis's keys are looked at.
    """
    prefix = channel.global_keyprefix
    with channel.plain_client() as client:
        delayed = _by_queue(delays.count(client, channel.keys), prefix)
        aside = _by_queue(asides.count(client, channel.keys), prefix)
        in_flight: Counter[str] = Counter()
        oldest: dict[str, float] = {}
        for target, count in counting.count(client, keys.claims(prefix), ENQUEUED_AT).items():
            name = queue_of(target, prefix)
            in_flight[name] += count.messages
            if count.lowest is not None:
                oldest[name] = min(count.lowest, oldest.get(name, count.lowest))
        paused = {bytes_to_str(name) for name in client.smembers(keys.paused(prefix))}
        lists = _lists(client, prefix) if whole else ()
        names = sorted({*declared, *delayed, *aside, *in_flight, *paused, *lists})
        waiting = _waiting(client, channel, names)
    return [
        QueueState(
            name,
            waiting[name],
            delayed[name],
            aside[name],
            in_flight[name],
            round(time.time() - oldest[name], 3) if name in oldest else None,
            name in paused,
        )
        for name in names
    ]


def queue_of(target: str, prefix: str = "") -> str:
    """The queue that a list belongs to, whatever its priority."""
    return target.removeprefix(prefix).split(_PRIORITY, 1)[0]


def priority_of(target: str) -> int:
    """The priority whose messages a list holds: 0 is the most urgent."""
    priority = target.partition(_PRIORITY)[2]
    return int(priority) if priority.isdecimal() else 0


def _by_queue(counted: Counter[str], prefix: str) -> Counter[str]:
    queues: Counter[str] = Counter()
    for target, number in counted.items():
        queues[queue_of(target, prefix)] += number
    return queues


def _waiting(client: Any, channel: Any, names: Sequence[str]) -> dict[str, dict[int, int]]:
    """How many messages are in each queue's lists, by priority: asked in one round trip."""
    with client.pipeline(transaction=False) as ask:
        for name in names:
            for priority in channel.priority_steps:
                ask.llen(channel.list_of(name, priority))
        lengths = iter(ask.execute())
    return {name: {priority: next(lengths) for priority in channel.priority_steps} for name in names}


def _lists(client: Any, prefix: str) -> Iterator[str]:
    for key in client.scan_iter(match=f"{prefix.translate(_ESCAPED)}*", count=500, _type="list"):
        name = queue_of(bytes_to_str(key), prefix)
        if not name.endswith(_REPLIES):
            yield name
