"""The processes that record: each tells now and then which it is, its connections and its memory."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from redis import Redis

from monitoring.judging.surroundings import Surroundings, of_this_process
from orchestrator import keys
from orchestrator.timeouts import running

# How often each tells, and after how long without that it is taken for gone.
TELL_SECONDS, GONE_SECONDS = 15.0, 45.0
_MOST, _FORGOTTEN_SECONDS = 1000, 600

# Writes what one process tells, with the time of Redis's clock before it.
# KEYS[1] the processes' hash; ARGV: the process, its JSON, how many there may be before old ones are
# forgotten, after how many seconds one is old. Returns nothing.
_TELL = """
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], now[1] .. ' ' .. ARGV[2])
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[3]) then
  local all = redis.call('HGETALL', KEYS[1])
  for at = 1, #all, 2 do
    local told = tonumber(string.match(all[at + 1], '^%d+') or '0')
    if told < now[1] - ARGV[4] then redis.call('HDEL', KEYS[1], all[at]) end
  end
end
"""


@dataclass(frozen=True)
class Process:
    """One that records. `node` is its worker's name, or its host's; it told of itself `age_seconds` ago."""

    name: str
    node: str
    pid: int
    role: str
    memory_bytes: int | None = None
    connections: Mapping[str, int] = field(default_factory=dict)
    age_seconds: float = 0.0


@cache
def host() -> str:
    """The name of this machine."""
    return socket.gethostname()


def name() -> str:
    """What this process is called among all."""
    return f"{host()}:{os.getpid()}"


def tell(client: Redis, prefix: str, role: str) -> None:
    """This process lives.

    Raises:
        redis.exceptions.RedisError: Redis does not answer.
    """
    around = of_this_process()
    told = {
        "node": running.worker_name or host(),
        "pid": os.getpid(),
        "role": role,
        "memory_bytes": around.memory_bytes,
        "connections": dict(around.connections),
    }
    ask: Any = client
    ask.eval(_TELL, 1, _key(prefix), name(), json.dumps(told), _MOST, _FORGOTTEN_SECONDS)


def leave(client: Redis, prefix: str) -> None:
    """This process ends."""
    client.hdel(_key(prefix), name())


def read(client: Redis, prefix: str = "") -> list[Process]:
    """Those that have told of themselves within 45 seconds; the client decodes replies.

    Raises:
        redis.exceptions.RedisError: Redis does not answer.
    """
    ask: Any = client
    with ask.pipeline(transaction=False) as pipeline:
        pipeline.time()
        pipeline.hgetall(_key(prefix))
        (seconds, micros), told = pipeline.execute()
    found = (_process(who, text, seconds + micros / 1e6) for who, text in sorted(told.items()))
    return [each for each in found if each is not None and each.age_seconds <= GONE_SECONDS]


def surroundings(processes: Iterable[Process], here: Surroundings) -> Surroundings:
    """Memory and connections of all of them, with those of this process as they are now."""
    others = [each for each in processes if each.name != name()]
    connections = dict(here.connections)
    memory_bytes = here.memory_bytes
    for each in others:
        for service, count in each.connections.items():
            connections[service] = connections.get(service, 0) + count
        if each.memory_bytes is not None:
            memory_bytes = (memory_bytes or 0) + each.memory_bytes
    return Surroundings(memory_bytes, connections, here.circuits)


def _key(prefix: str) -> str:
    return keys.metrics("processes", prefix)


def _process(who: str, text: str, now: float) -> Process | None:
    at, _, told = text.partition(" ")
    try:
        read: dict[str, Any] = json.loads(told)
        return Process(
            who,
            str(read["node"]),
            int(read["pid"]),
            str(read["role"]),
            None if read["memory_bytes"] is None else int(read["memory_bytes"]),
            {str(service): int(count) for service, count in read["connections"].items()},
            max(0.0, now - int(at)),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        # Another version's, or nobody's: it is no process that is known.
        return None
