"""How full each queue is: waiting, delayed, in flight, paused."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kombu.utils.encoding import bytes_to_str

from orchestrator import keys
from orchestrator.stamp import enqueued_at
from orchestrator.transport import delays
from orchestrator.transport.envelope import decode

_PRIORITY = "\x06\x16"
# Where answers to remote control go.
_REPLIES = ".reply.celery.pidbox"


@dataclass
class QueueState:
    """One queue: messages by priority in its lists, due later, and held by workers.

    `oldest_in_flight_seconds` counts from the moment of its enqueue.
    """

    name: str
    waiting: dict[int, int] = field(default_factory=dict)
    delayed: int = 0
    in_flight: int = 0
    oldest_in_flight_seconds: float | None = None
    paused: bool = False

    @property
    def waiting_in_all(self) -> int:
        """Messages in its lists, of every priority."""
        return sum(self.waiting.values())


def survey(channel: Any, declared: Iterable[str]) -> list[QueueState]:
    """Every queue that is declared, or that anything is in or known of, by name."""
    prefix = channel.global_keyprefix
    with channel.plain_client() as client:
        delayed: Counter[str] = Counter()
        for target, number in delays.count(client, channel.keys).items():
            delayed[queue_of(target, prefix)] += number
        claims = [value for _, value in client.hscan_iter(keys.claims(prefix), count=200)]
        in_flight, oldest = _count(prefix, claims), _oldest(prefix, claims)
        paused = {bytes_to_str(name) for name in client.smembers(keys.paused(prefix))}
        names = {*declared, *delayed, *in_flight, *paused, *_lists(client, prefix)}
        return [
            QueueState(
                name,
                {
                    priority: client.llen(channel.list_of(name, priority))
                    for priority in channel.priority_steps
                },
                delayed[name],
                in_flight[name],
                round(time.time() - oldest[name], 3) if name in oldest else None,
                name in paused,
            )
            for name in sorted(names)
        ]


def queue_of(target: str, prefix: str = "") -> str:
    """The queue that a list belongs to, whatever its priority."""
    return target.removeprefix(prefix).split(_PRIORITY, 1)[0]


def _count(prefix: str, values: Iterable[bytes]) -> Counter[str]:
    return Counter(queue_of(bytes_to_str(value.split(b"\n", 1)[0]), prefix) for value in values)


def _oldest(prefix: str, claims: Iterable[bytes]) -> dict[str, float]:
    oldest: dict[str, float] = {}
    for value in claims:
        target, raw = value.split(b"\n", 1)
        try:
            stamp = enqueued_at(decode(raw).get("headers") or {})
        except (ValueError, AttributeError):
            continue
        if stamp:
            name = queue_of(bytes_to_str(target), prefix)
            oldest[name] = min(stamp, oldest.get(name, stamp))
    return oldest


def _lists(client: Any, prefix: str) -> Iterator[str]:
    for key in client.scan_iter(match=f"{prefix}*", count=500, _type="list"):
        name = queue_of(bytes_to_str(key), prefix)
        if not name.endswith(_REPLIES):
            yield name
