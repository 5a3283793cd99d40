"""The lists of KEYS that the scripts take."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator import keys


@dataclass(frozen=True)
class Keys:
    """The transport's keys under one `global_keyprefix`."""

    prefix: str = ""

    @cached_property
    def places(self) -> tuple[str, ...]:
        """The first eleven keys of the exchange."""
        named = (
            keys.claims,
            keys.leases,
            keys.started,
            keys.delayed,
            keys.delayed_messages,
            keys.deliveries,
            keys.outbox,
            keys.changes,
            keys.paused,
            keys.pulse,
            keys.quiet,
        )
        return tuple(key(self.prefix) for key in named)

    def exchange(self, lists: Sequence[str] = ()) -> tuple[str, ...]:
        """All keys of the exchange, for the lists that are claimed from."""
        group = group_of(lists)
        return (
            *self.places,
            keys.sentries(group, self.prefix),
            keys.reserves(group, self.prefix),
            keys.outcomes(self.prefix),
            keys.aside_messages(self.prefix),
            keys.asides(self.prefix),
            keys.aside("", self.prefix),
            keys.metrics("", self.prefix),
            *lists,
        )

    def renew(self) -> tuple[str, ...]:
        """The keys of the renewal."""
        return (keys.leases(self.prefix), keys.pulse(self.prefix), keys.quiet(self.prefix))

    def watch(self, token: str, lists: Sequence[str], *, sentry: bool) -> tuple[str, ...]:
        """What an idle worker watches: a sentry the lists and the changes, a reserve its own key."""
        wake = f"{keys.reserves(group_of(lists), self.prefix)}:{token}"
        if not sentry:
            return (wake, wake, wake)
        return (keys.changes(self.prefix), wake, keys.paused(self.prefix), *lists)

    def release(self, breaker: str) -> tuple[str, ...]:
        """The keys of a release of what waits for a breaker."""
        return (keys.aside(breaker, self.prefix), keys.aside_messages(self.prefix), keys.asides(self.prefix))

    def take(self, name: str) -> tuple[str, ...]:
        """The keys of one message's claim, out of the list of this name."""
        named = (keys.claims, keys.leases, keys.deliveries, keys.pulse)
        return (*(key(self.prefix) for key in named), name)

    def delay(self) -> tuple[str, ...]:
        """The keys of a producer's delay."""
        return (keys.delayed(self.prefix), keys.delayed_messages(self.prefix), keys.changes(self.prefix))


def group_of(lists: Sequence[str]) -> str:
    """The name of the group of workers that claim from the same lists."""
    return hashlib.sha1("\n".join(sorted(lists)).encode(), usedforsecurity=False).hexdigest()[:12]
