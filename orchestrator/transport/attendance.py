"""Tells the fleet that a worker is there, and which queues it serves, again and again."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from redis import Redis

from orchestrator import keys

# Who was not heard for so long is gone.
SILENT_SECONDS = 15.0
_TELL_SECONDS = 4.0

# KEYS workers; ARGV node, the end of its record. Returns nothing. Another worker may have the name by now.
_LEAVE = """
local told = redis.call('HGET', KEYS[1], ARGV[1])
if told and string.sub(told, -#ARGV[2]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
"""


class Attendance:
    """What one worker says of itself, once it has a name; `identity` tells two of the same name apart."""

    def __init__(self, client: Redis, identity: str, prefix: str = "") -> None:
        self._tell = client.register_script(_text("attend.lua"))
        self._leave = client.register_script(_LEAVE)
        self._identity = identity
        self._key = keys.workers(prefix)
        self._node = ""
        self._serves: Callable[[], Mapping[str, Any]] = dict
        self._last: dict[str, Any] = {}
        self._told_at = -math.inf
        self._forgotten_at = -math.inf

    def attend(self, node: str, serves: Callable[[], Mapping[str, Any]]) -> None:
        """From now on the worker `node` is there; `serves` says what it is and serves now."""
        self._serves, self._node = serves, node
        self._told_at = -math.inf

    def is_due(self) -> bool:
        """Whether there is something new to tell, or it was told long enough ago."""
        if not self._node:
            return False
        return time.monotonic() - self._told_at > _TELL_SECONDS or self._last != self._record()

    def tell(self) -> None:
        """Tell it now.

        Raises:
            redis.exceptions.RedisError: Redis is away.
        """
        now = self._told_at = time.monotonic()
        self._last = record = self._record()
        # Those that were killed are forgotten by whoever looks at all of them once a day.
        forgets = now - self._forgotten_at > keys.DAY_SECONDS
        text = json.dumps(record | {"id": self._identity})
        self._tell(
            keys=[self._key],
            args=[self._node, text, keys.DAY_SECONDS if forgets else 0, keys.DAY_SECONDS],
        )
        if forgets:
            self._forgotten_at = now

    def leave(self) -> None:
        """The worker is gone.

        Raises:
            redis.exceptions.RedisError: Redis is away; what was told is too old in a few seconds.
        """
        if self._node:
            node, self._node = self._node, ""
            self._leave(keys=[self._key], args=[node, json.dumps({"id": self._identity})[1:]])

    def _record(self) -> dict[str, Any]:
        return dict(self._serves())


@cache
def _text(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
