"""Which lists a queue has in Redis: one for each step of priority."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What stands between a queue's name and a priority.
PRIORITY = "\x06\x16"


@dataclass(frozen=True)
class Lists:
    """The lists of a broker whose keys begin with `prefix`; `steps` are its steps of priority."""

    prefix: str = ""
    steps: Sequence[int] = (0, 3, 6, 9)
    separator: str = PRIORITY

    @classmethod
    def of_channel(cls, channel: Any) -> Lists:
        """As a channel of kombu's has them."""
        return cls(channel.global_keyprefix, tuple(channel.priority_steps), channel.sep)

    @classmethod
    def of_options(cls, prefix: str, options: Mapping[str, Any]) -> Lists:
        """As Celery's `broker_transport_options` have them."""
        steps = tuple(options.get("priority_steps") or cls.steps)
        return cls(prefix, steps, str(options.get("sep") or PRIORITY))

    def of(self, queue: str, priority: int = 0) -> str:
        """The list of a queue and a step."""
        return f"{self.prefix}{queue}{self.separator}{priority}" if priority else f"{self.prefix}{queue}"
