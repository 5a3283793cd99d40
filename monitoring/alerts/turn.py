"""One look at a time in the fleet; and what the looks remember from one to the next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from redis import Redis
from redis.exceptions import ConnectionError as NotReached
from redis.exceptions import TimeoutError as NotAnswered

from orchestrator import keys
from orchestrator.alerts import record

# The end of a turn whose process was killed. A look that takes longer does no harm: records that others have
# changed meanwhile it leaves alone.
_TURN_MS = 30_000

# The first write is one that a full Redis allows: it lets the others through.
# KEYS turn; ARGV whose, ms; returns whether it is theirs, be it from a time that ended with Redis.
_TAKE = """
redis.call('DEL', KEYS[1] .. ':none')
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
# KEYS turn; ARGV whose.
_LEAVE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""
# KEYS looks; ARGV their JSON, seconds.
_REMEMBER = """
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
"""


@dataclass(frozen=True)
class Looks:
    """When a look has last counted (ISO 8601, "" for never), and the alerts that wait to be confirmed."""

    counted_at: str = ""
    waiting: frozenset[str] = frozenset()

    def counts(self, now: datetime, interval_seconds: float) -> bool:
        """Whether a look now is one of those that confirm and clear.

        Several processes look: of looks that follow on each other's heels only one counts.
        """
        return not self.counted_at or abs(record.seconds_since(self.counted_at, now)) >= interval_seconds / 2


def turn(client: Redis, prefix: str = "", who: str = "") -> AbstractContextManager[bool]:
    """Whether it is ours; others wait for theirs meanwhile. `who`: one that looks again and again."""
    return held(client, keys.alert_look(prefix), _TURN_MS, who)


@contextmanager
def held(client: Redis, key: str, lasts_ms: int, who: str = "") -> Iterator[bool]:
    """Whether we are who has this key now, for so long at the most; `who` we are, else somebody new."""
    ours = who or uuid4().hex
    is_ours = bool(client.eval(_TAKE, 1, key, ours, str(lasts_ms)))
    is_silent = False
    try:
        yield is_ours
    except (NotReached, NotAnswered):
        # It is not waited for once more: what we have ends by itself.
        is_silent = True
        raise
    finally:
        if is_ours and not is_silent:
            client.eval(_LEAVE, 1, key, ours)


def remembered(client: Redis, prefix: str = "") -> Looks:
    """What the looks before have left; what cannot be read is nothing."""
    stored: Any = client.get(keys.alert_looks(prefix))
    try:
        read = json.loads(stored or "{}")
        return Looks(str(read.get("counted_at", "")), frozenset(map(str, read.get("waiting", ()))))
    except (ValueError, TypeError, AttributeError):
        return Looks()


def remember(client: Redis, looks: Looks, prefix: str = "") -> None:
    """Leave it to the looks after."""
    text = json.dumps({"counted_at": looks.counted_at, "waiting": sorted(looks.waiting)})
    client.eval(_REMEMBER, 1, keys.alert_looks(prefix), text, str(keys.DAY_SECONDS))
