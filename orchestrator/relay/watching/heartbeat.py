"""A relay's heartbeat in Redis: that it lives, and what each of its loops says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from orchestrator import broker, keys
from orchestrator.relay.trouble import Trouble
from orchestrator.settings import Settings

# Whoever was not heard for that long does not run.
SILENT_SECONDS = 10.0
_BEAT_SECONDS = 1.0

# KEYS relays, states; ARGV name, state as JSON, seconds after which others are forgotten. The first write is
# one that a full Redis allows: it lets the others through.
_BEAT = """
redis.call('DEL', KEYS[1] .. ':none')
local now = tonumber(redis.call('TIME')[1])
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[3]))) do
  redis.call('HDEL', KEYS[2], name)
  redis.call('ZREM', KEYS[1], name)
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[1])
"""


def heard(client: Redis, prefix: str = "") -> dict[str, dict[str, Any]]:
    """What each living relay last said of itself, by the relay's name; `client` answers with text."""
    reply: Any = client.time()
    now, _ = reply
    names: Any = client.zrangebyscore(keys.relays(prefix), now - SILENT_SECONDS, "+inf")
    if not names:
        return {}
    states: Any = client.hmget(keys.relay_states(prefix), names)
    return {name: _read(state) for name, state in zip(names, states, strict=True)}


def _read(state: str | None) -> dict[str, Any]:
    try:
        read = json.loads(state or "{}")
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


class Heartbeat:
    """Says every second that the relay `name` lives, and at its end that it does no longer."""

    def __init__(self, settings: Settings, name: str, states: Callable[[], Mapping[str, Any]]) -> None:
        self._settings = settings
        self._name = name
        self._states = states
        self._relays = keys.relays(settings.key_prefix)
        self._relay_states = keys.relay_states(settings.key_prefix)
        self._trouble = Trouble("heartbeat")
        self.was_heard = Event()

    def run(self, stop: Event) -> None:
        """Beat until the end."""
        with broker.client(self._settings, decode=True) as client:
            beat = client.register_script(_BEAT)
            while True:
                self._try(
                    lambda: beat(
                        keys=[self._relays, self._relay_states],
                        args=[self._name, json.dumps(self._states(), default=str), keys.DAY_SECONDS],
                    )
                )
                if stop.wait(_BEAT_SECONDS):
                    break
            self._try(lambda: self._leave(client))

    def state(self) -> dict[str, Any]:
        """What keeps it from being heard."""
        return {"error": self._trouble.error}

    def _try(self, write: Callable[[], Any]) -> None:
        try:
            write()
        except (RedisError, OSError) as error:
            self._trouble.is_there(f"Redis does not take it: {error}")
        else:
            self._trouble.is_over()
            self.was_heard.set()

    def _leave(self, client: Redis) -> None:
        with client.pipeline() as pipeline:
            pipeline.hdel(self._relay_states, self._name)
            pipeline.zrem(self._relays, self._name)
            pipeline.execute()
