"""Which queues nobody claims from, and their lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kombu.utils.encoding import bytes_to_str

from orchestrator import keys
from orchestrator.queues import finding, serving
from orchestrator.queues.lists import Lists
from orchestrator.sweep.judging import Unserved

# Keys of ours are no queues.
_OURS = "omninode:"


@dataclass(frozen=True)
class Standing:
    """Which queues are served, and which are paused, now."""

    served: frozenset[str]
    paused: frozenset[str]

    def unserved(self, queue: str, limit_hours: float) -> Unserved | None:
        """The queue, where nobody claims from it: no living worker serves it, or a person has paused it."""
        if queue in self.served and queue not in self.paused:
            return None
        return Unserved(queue, limit_hours, queue in self.paused)


def standing(client: Any, prefix: str) -> Standing:
    """Ask Redis."""
    served = serving.by_queue(serving.workers(client, prefix))
    paused = client.smembers(keys.paused(prefix))
    return Standing(frozenset(served), frozenset(map(bytes_to_str, paused)))


def lists_of(channel: Any, queues: Iterable[str]) -> list[str]:
    """The lists of these queues, of every priority."""
    lists = Lists.of_channel(channel)
    return [lists.of(queue, priority) for queue in sorted(set(queues)) for priority in lists.steps]


def found(client: Any, prefix: str) -> list[str]:
    """Other lists that may be queues, as far as they were found by now."""
    names = finding.find(client, prefix)
    return sorted(name for name in names if not name.startswith(f"{prefix}{_OURS}") and "\n" not in name)
