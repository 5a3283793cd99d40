"""What is set aside for breakers: counted by list and by breaker, and deleted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kombu.utils.encoding import bytes_to_str
from redis import Redis

from orchestrator import keys
from orchestrator.transport import counting, scripts
from orchestrator.transport.keys import Keys

# So many breakers are asked about in one step.
_STEP = 200


@dataclass(frozen=True)
class Waiting:
    """What waits for one breaker.

    `since` is when the one that waits longest was first set aside, in Unix seconds; None: it does not say.
    """

    breaker: str
    messages: int
    since: float | None


def breakers(client: Redis, places: Keys) -> list[str]:
    """The breakers that messages wait for, or have waited for lately, by name."""
    return sorted(map(bytes_to_str, client.smembers(keys.asides(places.prefix))))


def count(client: Redis, places: Keys) -> Counter[str]:
    """How many messages are set aside, by the list that they will go into."""
    counted = counting.count(client, keys.aside_messages(places.prefix))
    return Counter({target: each.messages for target, each in counted.items()})


def waiting(client: Redis, places: Keys) -> list[Waiting]:
    """What waits for each breaker, by the breaker's name; no message is sent."""
    script = client.register_script(scripts.load("asides").text)
    names = breakers(client, places)
    found: list[Waiting] = []
    for first in range(0, len(names), _STEP):
        step = names[first : first + _STEP]
        zsets = [keys.aside(name, places.prefix) for name in step]
        answers: Any = script(keys=[keys.aside_messages(places.prefix), *zsets])
        pairs = zip(answers[::2], answers[1::2], strict=True)
        found += [
            Waiting(name, messages, float(since) if since else None)
            for name, (messages, since) in zip(step, pairs, strict=True)
            if messages
        ]
    return found


def purge(client: Redis, places: Keys, lists: Iterable[str]) -> int:
    """Delete what is set aside and would go into these lists; returns how many messages that were."""
    chosen = list(lists)
    deleted = 0
    for name in breakers(client, places):
        aside, messages, _ = places.release(name)
        steps = counting.steps(client, "purge", [aside, messages], *chosen)
        deleted += sum(of_step for (of_step,) in steps)
    return deleted
