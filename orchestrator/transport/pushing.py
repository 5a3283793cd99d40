"""Pushes a chunk of rows in parts of bounded size, each of which Redis takes at once and once only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from orchestrator import keys
from orchestrator.transport import scripts
from orchestrator.transport.collecting import Rendered
from orchestrator.transport.sameness import DIGEST_CHARACTERS

AWAY = (RedisConnectionError, RedisTimeoutError, OSError)
# Redis holds up everybody else while it takes a part.
_PART_BYTES = 8 * 1024 * 1024
_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.1
_OTHERS = -1


class Refused(Exception):
    """Redis is away or full, or refuses: the part was not pushed, or nobody knows."""


class OtherRows(Exception):
    """What was pushed before under this batch's name is not what is pushed now."""


@dataclass
class Chunk:
    """Rows of a batch: their messages come in one by one, and go to Redis by parts.

    `digests` are those up to each row of the chunk, joined; '' where they are not compared. `accepted` rows
    of it are in Redis, or need no message. For `lifetime_seconds` they cannot be pushed again. `on_push` is
    told how many messages Redis was given, and how many of them, the last ones, it did not have yet.
    """

    name: str
    digests: str
    accepted: int = 0
    lifetime_seconds: int = keys.DAY_SECONDS
    on_push: Callable[[int, int], None] = lambda _given, _new: None
    _part: list[Rendered] = field(default_factory=list)
    _part_bytes: int = 0

    def add(self, channel: Any, messages: list[Rendered]) -> None:
        """Take in the next row's messages: as a rule one.

        Raises:
            Refused, OtherRows: and nothing of this part is there, as far as is known.
        """
        size = sum(len(each.raw) for each in messages)
        if len(messages) != 1 or self._part_bytes + size > _PART_BYTES:
            self.flush(channel)
        if len(messages) != 1:
            self._push(channel, messages, 1)
            return
        self._part += messages
        self._part_bytes += size

    def flush(self, channel: Any) -> None:
        """Push what has come in.

        Raises:
            Refused, OtherRows: as above.
        """
        self._push(channel, self._part, len(self._part))
        self._part, self._part_bytes = [], 0

    def _push(self, channel: Any, messages: list[Rendered], rows: int) -> None:
        if messages:
            self._push_surely(channel, messages, rows)
        self.accepted += rows

    def _push_surely(self, channel: Any, messages: list[Rendered], rows: int) -> None:
        """A lost reply is no reason to push twice, nor a short absence one to give up."""
        script = scripts.load("push")
        marker = keys.batch(self.name, channel.global_keyprefix)
        lists = [each.list for each in messages]
        names = [marker, *channel.keys.delay(), *(lists if len(set(lists)) > 1 else lists[:1])]
        wait_ms = max(each.wait_ms for each in messages)
        about = [self.lifetime_seconds, wait_ms, self.accepted, self.digests, DIGEST_CHARACTERS, rows]
        pause_seconds = _FIRST_PAUSE_SECONDS
        with channel.plain_client() as client:
            push = client.register_script(script.text)
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    pushed = push(keys=names, args=[*about, *(each.raw for each in messages)])
                except AWAY as error:
                    if attempt == _ATTEMPTS:
                        raise Refused(f"Redis is away ({error})") from error
                    time.sleep(pause_seconds)
                    pause_seconds *= 2
                except OutOfMemoryError as error:
                    raise Refused("Redis is full (maxmemory)") from error
                except RedisError as error:
                    raise Refused(f"Redis refused ({error})") from error
                else:
                    if pushed == _OTHERS:
                        raise OtherRows
                    self.on_push(len(messages), int(pushed))
                    return
