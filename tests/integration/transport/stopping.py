"""Stops a script at any of its writes, as if its server had refused to go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from orchestrator.transport import scripts
from tests.integration.transport import places

_STOPPED = "stopped half-way"
_WRITES = (
    "DEL HSET HSETNX HDEL HINCRBY EXPIRE ZADD ZREM ZREMRANGEBYSCORE ZPOPMIN "
    "SADD SREM LPUSH RPUSH RPOP LREM XADD SET INCR"
)
_READS = (
    "TIME GET EXISTS HLEN PTTL HGET HEXISTS ZSCAN LRANGE LINDEX SISMEMBER "
    "TYPE ZRANGE ZREVRANGEBYSCORE ZRANGEBYSCORE ZSCORE ZCARD ZCOUNT"
)
# The script sees a `redis` whose `call` refuses to write once it has done so often enough.
_BREAKABLE = f"""
local real, left, kinds = redis, %d, {{}}
for name in string.gmatch('{_WRITES}', '%%a+') do kinds[name] = 1 end
for name in string.gmatch('{_READS}', '%%a+') do kinds[name] = 0 end
local function breakable(run)
  return function(name, ...)
    left = left - (kinds[name] or error('unknown: ' .. name))
    if left < 0 then error('{_STOPPED}') end
    return run(name, ...)
  end
end
local redis = {{sha1hex = real.sha1hex, call = breakable(real.call), pcall = breakable(real.pcall)}}
"""


@dataclass
class Stage:
    """A script that is about to be run.

    `messages` have to be somewhere whatever happens, each in one of its forms (it may be
    changed, or a letter). `optional` ones are there for certain only when the script was repeated.
    `repeat` is what whoever ran the script does when it was told of an error.
    """

    client: Redis
    name: str
    keys: tuple[str, ...]
    arguments: list[Any]
    messages: list[set[bytes]]
    repeat: Callable[[], object]
    optional: set[bytes] = field(default_factory=set)

    def stop_after(self, writes: int) -> bool:
        """Run it until it has written so often; False if it came to its end before."""
        text = _BREAKABLE % writes + scripts.load(self.name).text
        try:
            self.client.eval(text, len(self.keys), *self.keys, *self.arguments)
        except ResponseError as error:
            if _STOPPED not in str(error):
                raise
            return True
        return False

    def copies(self) -> list[int]:
        """How often each of the messages is there."""
        there = places.read(self.client)
        found = there.messages()
        found.update(letter["raw"] for letter in there.letters)
        return [sum(found[form] for form in forms) for forms in self.messages]


Build = Callable[[Redis], Stage]
