"""Counts messages by the list that they belong to: by the server, in steps that hold it up for a moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kombu.utils.encoding import bytes_to_str
from redis import Redis

from orchestrator.transport import scripts

# A step of small messages takes the server less than a millisecond.
_STEP = 200


@dataclass
class Count:
    """How many messages of a list there are, and the lowest number that one of them has in a header."""

    messages: int = 0
    lowest: float | None = None


def count(client: Redis, messages: str, lowest: str = "") -> dict[str, Count]:
    """Count the messages of a hash by list; `lowest` names the header whose lowest number is wanted."""
    counted: dict[str, Count] = {}
    for answer in steps(client, "count", [messages], lowest):
        for target, messages_found, lowest_found in zip(*(answer[at::3] for at in range(3)), strict=True):
            entry = counted.setdefault(bytes_to_str(target), Count())
            entry.messages += messages_found
            if lowest_found:
                number = float(lowest_found)
                entry.lowest = number if entry.lowest is None else min(number, entry.lowest)
    return counted


def steps(client: Redis, name: str, places: list[str], *arguments: str) -> Iterator[list[Any]]:
    """What a script with a cursor answers at each step, until it has looked at everything."""
    script = client.register_script(scripts.load(name).text)
    cursor: Any = 0
    while True:
        cursor, *answer = script(keys=places, args=[cursor, _STEP, *arguments])
        yield answer
        if int(cursor) == 0:
            return
