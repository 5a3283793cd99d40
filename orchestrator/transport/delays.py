"""What waits for its time, counted by list and deleted: by the server, in steps that hold it up for a moment.

A count looks at every delayed message. Counters beside them would be cheaper to ask and could be wrong, where
a worker of an older release or a hand that deletes a key moves messages without them. People ask for counts,
messages do not.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from kombu.utils.encoding import bytes_to_str
from redis import Redis

from orchestrator.transport import scripts
from orchestrator.transport.keys import Keys

# A step of small messages takes the server less than a millisecond.
_STEP = 200


def count(client: Redis, keys: Keys) -> Counter[str]:
    """How many messages wait, by the list that they will go into."""
    counted: Counter[str] = Counter()
    _, bodies, _ = keys.delay()
    for numbers in _steps(client, "count", [bodies]):
        for target, number in zip(numbers[::2], numbers[1::2], strict=True):
            counted[bytes_to_str(target)] += number
    return counted


def purge(client: Redis, keys: Keys, lists: Iterable[str]) -> int:
    """Delete what waits to go into these lists; returns how many messages that were."""
    delayed, bodies, _ = keys.delay()
    return sum(deleted for (deleted,) in _steps(client, "purge", [delayed, bodies], *lists))


def _steps(client: Redis, name: str, places: list[str], *arguments: str) -> Iterator[list[Any]]:
    script = client.register_script(scripts.load(name).text)
    cursor: Any = 0
    while True:
        cursor, *answer = script(keys=places, args=[cursor, _STEP, *arguments])
        yield answer
        if int(cursor) == 0:
            return
