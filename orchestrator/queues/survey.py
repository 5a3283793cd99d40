"""How full each queue is: waiting, delayed, in flight, paused; and how many workers serve it."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kombu.utils.encoding import bytes_to_str

from orchestrator import keys
from orchestrator.queues import finding, fronts, serving
from orchestrator.queues.lists import PRIORITY, Lists
from orchestrator.stamp import ENQUEUED_AT
from orchestrator.transport import asides, counting, delays
from orchestrator.transport.keys import Keys


@dataclass
class QueueState:
    """One queue: messages by priority in its lists, due later, set aside for breakers, and held by workers.

    `oldest_in_flight_seconds` counts from the moment of its enqueue, `oldest_waiting_seconds` as
    `orchestrator.queues.fronts` says; None where nothing waits, or its producer does not say since when.
    `workers` is how many of OmniNode's serve it.
    """

    name: str
    waiting: dict[int, int] = field(default_factory=dict)
    delayed: int = 0
    aside: int = 0
    in_flight: int = 0
    oldest_in_flight_seconds: float | None = None
    paused: bool = False
    oldest_waiting_seconds: float | None = None
    workers: int = 0

    @property
    def waiting_in_all(self) -> int:
        """Messages in its lists, of every priority."""
        return sum(self.waiting.values())


def survey(
    channel: Any, declared: Iterable[str], *, whole: bool = False, finds: bool = False
) -> list[QueueState]:
    """Every queue that is declared, paused, served, or has messages in flight, due later or set aside.

    With `finds` also those of which nothing else is known than that messages lie in them, as far as they were
    found by now. With `whole` also any other list: all of Redis's keys are looked at.
    """
    with channel.plain_client() as client:
        return look(client, Lists.of_channel(channel), declared, whole=whole, finds=finds)


def look(
    client: Any,
    lists: Lists,
    declared: Iterable[str],
    *,
    whole: bool = False,
    finds: bool = False,
    delayed: Counter[str] | None = None,
    aside: Counter[str] | None = None,
) -> list[QueueState]:
    """The same, asked over a client; `delayed` and `aside` are by list, and counted here if not given."""
    prefix = lists.prefix
    later = _by_queue(delays.count(client, Keys(prefix)) if delayed is None else delayed, prefix)
    waits = _by_queue(asides.count(client, Keys(prefix)) if aside is None else aside, prefix)
    in_flight: Counter[str] = Counter()
    oldest: dict[str, float] = {}
    for target, count in counting.count(client, keys.claims(prefix), ENQUEUED_AT).items():
        name = queue_of(target, prefix)
        in_flight[name] += count.messages
        if count.lowest is not None:
            oldest[name] = min(count.lowest, oldest.get(name, count.lowest))
    paused = {bytes_to_str(name) for name in client.smembers(keys.paused(prefix))}
    served = serving.by_queue(serving.workers(client, prefix))
    others = set(_all_lists(client, prefix) if whole else ())
    known = {*declared, *later, *waits, *in_flight, *paused, *served, *others}
    found = {queue_of(name, prefix) for name in finding.find(client, prefix)} - known if finds else set()
    waiting = fronts.look(client, lists, sorted({*known, *found}))
    return [
        QueueState(
            name,
            front.messages,
            later[name],
            waits[name],
            in_flight[name],
            round(time.time() - oldest[name], 3) if name in oldest else None,
            name in paused,
            front.oldest_seconds,
            served[name],
        )
        for name, front in waiting.items()
        if name in known or front.has_task
    ]


def queue_of(target: str, prefix: str = "") -> str:
    """The queue that a list belongs to, whatever its priority."""
    return target.removeprefix(prefix).split(PRIORITY, 1)[0]


def priority_of(target: str) -> int:
    """The priority whose messages a list holds: 0 is the most urgent."""
    priority = target.partition(PRIORITY)[2]
    return int(priority) if priority.isdecimal() else 0


def _by_queue(counted: Counter[str], prefix: str) -> Counter[str]:
    queues: Counter[str] = Counter()
    for target, number in counted.items():
        queues[queue_of(target, prefix)] += number
    return queues


def _all_lists(client: Any, prefix: str) -> Iterator[str]:
    for key in client.scan_iter(match=finding.beginning_with(prefix), count=500, _type="list"):
        name = queue_of(bytes_to_str(key), prefix)
        if not name.endswith(finding.REPLIES):
            yield name
