"""Finds lists of messages that belong to no known queue: a mistyped name, or a queue whose workers are gone.

Redis may have millions of other keys, such as results. So all keys are looked through at most once a minute,
and each look goes on where the last one has stopped, for a tenth of a second at the most; whoever looks
shares what is found with everybody. A list that was emptied meanwhile is forgotten when the next turn ends.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from kombu.utils.encoding import bytes_to_str
from redis import Redis
from redis.exceptions import ResponseError

from orchestrator import keys

# Where answers to remote control go.
REPLIES = ".reply.celery.pidbox"
# What has a meaning of its own in Redis's patterns.
_ESCAPED = str.maketrans({sign: f"\\{sign}" for sign in "\\*?[]"})
_TURN_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_STEP = 1000


def find(client: Redis, prefix: str = "") -> set[str]:
    """The lists that were found by now; any list may be among them.

    Raises:
        redis.exceptions.RedisError: Redis does not answer.
    """
    with client.pipeline(transaction=False) as ask:
        ask.time()
        ask.hmget(keys.finding(prefix), "cursor", "began")
        ask.zrange(keys.found_lists(prefix), 0, -1)
        (now, _), (cursor, began), known = ask.execute()
    found = {bytes_to_str(name) for name in known}
    at, started = int(cursor or 0), int(began or 0)
    if not at and now - started < _TURN_SECONDS:
        return found
    if not at:
        started = now
    new, at = _scan(client, prefix, at)
    with suppress(ResponseError):
        # A full Redis, or a replica, remembers nothing.
        _remember(client, prefix, new, at, (now, started))
    return found | new


def beginning_with(prefix: str) -> str:
    """The pattern of all keys that begin so."""
    return f"{prefix.translate(_ESCAPED)}*"


def _scan(client: Redis, prefix: str, cursor: int) -> tuple[set[str], int]:
    found: set[str] = set()
    until = time.monotonic() + _LOOK_SECONDS
    while True:
        answer: Any = client.scan(cursor, match=beginning_with(prefix), count=_STEP, _type="list")
        cursor, names = answer
        found |= {name for name in map(bytes_to_str, names) if not name.endswith(REPLIES)}
        if not cursor or time.monotonic() > until:
            return found, int(cursor)


def _remember(client: Redis, prefix: str, new: set[str], cursor: int, at: tuple[int, int]) -> None:
    now, began = at
    lists, finding = keys.found_lists(prefix), keys.finding(prefix)
    with client.pipeline() as tell:
        if new:
            tell.zadd(lists, dict.fromkeys(new, now))
        if not cursor:
            tell.zremrangebyscore(lists, "-inf", f"({began}")
        tell.hset(finding, mapping={"cursor": cursor, "began": began})
        tell.expire(lists, keys.DAY_SECONDS)
        tell.expire(finding, keys.DAY_SECONDS)
        tell.execute()
