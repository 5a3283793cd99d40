"""What waits for its time, counted by list and deleted.

A count looks at every delayed message. Counters beside them would be cheaper to ask and could be wrong, where
a worker of an older release or a hand that deletes a key moves messages without them. People ask for counts,
messages do not.
"""

from collections import Counter
from collections.abc import Iterable

from redis import Redis

from orchestrator.transport import counting
from orchestrator.transport.keys import Keys


def count(client: Redis, keys: Keys) -> Counter[str]:
    """How many messages wait, by the list that they will go into."""
    _, bodies, _ = keys.delay()
    return Counter({target: each.messages for target, each in counting.count(client, bodies).items()})


def purge(client: Redis, keys: Keys, lists: Iterable[str]) -> int:
    """Delete what waits to go into these lists; returns how many messages that were."""
    delayed, bodies, _ = keys.delay()
    return sum(deleted for (deleted,) in counting.steps(client, "purge", [delayed, bodies], *lists))
