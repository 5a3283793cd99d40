"""The push link of a process: one connection on which every transition of the fleet's breakers arrives."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import redis
from redis.exceptions import RedisError

from orchestrator import connections
from orchestrator.redis import options
from orchestrator.urls import as_redis_spells

# For how long Redis may be silent until it is asked for a sign of life, and how long that may take.
SILENCE_SECONDS = 1.0
ANSWER_SECONDS = 0.25


def client(url: str) -> redis.Redis:
    """A client that gives up soon and tries nothing twice: whoever waits for it could work meanwhile."""
    chosen = options(ANSWER_SECONDS, retries=0) | {"health_check_interval": 0, "protocol": 2}
    made = redis.Redis.from_url(as_redis_spells(url), **chosen)
    connections.redis_pool(made.connection_pool)
    return made


class Link:
    """A subscription to one channel. It belongs to one thread.

    Raises, from each of its methods:
        redis.exceptions.RedisError, OSError: the link is broken; it is of no use any more.
    """

    def __init__(self, client: redis.Redis, channel: str) -> None:
        pool = client.connection_pool
        # Not one of the pool's: it counts those that it has made, and after a hundred makes no more.
        self._connection: Any = pool.connection_class(**pool.connection_kwargs)
        connections.track("redis", self._connection, connections.is_open)
        self._channel = channel
        self._heard = time.monotonic()
        self._asked = False

    def open(self) -> None:
        """Connect; from the return on no message is missed."""
        self._connection.connect()
        self._connection.send_command("SUBSCRIBE", self._channel)
        while self._receive()[0] != "subscribe":
            pass

    def wait(self, seconds: float, hear: Callable[[str], None]) -> None:
        """Hand over what arrives, for at most so long where nothing does; ask for a sign of life when due."""
        now = time.monotonic()
        due = self._heard + SILENCE_SECONDS + (ANSWER_SECONDS if self._asked else 0.0)
        if self._connection.can_read(min(seconds, max(0.0, due - now))):
            self._hear(hear)
            while self._connection.can_read(0):
                self._hear(hear)
            return
        if time.monotonic() < due:
            return
        if self._asked:
            message = f"Redis was silent for {SILENCE_SECONDS + ANSWER_SECONDS:g} s"
            raise redis.ConnectionError(message)
        self._connection.send_command("PING")
        self._asked = True

    def interrupt(self) -> None:
        """Break the link, from another thread: whoever waits for it finds out at once."""
        pulled = self._connection._sock  # noqa: SLF001 (a pool hands out whole connections only)
        if pulled is not None:
            with suppress(OSError):
                pulled.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection."""
        with suppress(RedisError, OSError):
            self._connection.disconnect()

    def _hear(self, hear: Callable[[str], None]) -> None:
        answer = self._receive()
        if answer[0] == "message":
            hear(answer[2])

    def _receive(self) -> list[Any]:
        answer = self._connection.read_response(timeout=ANSWER_SECONDS)
        self._heard, self._asked = time.monotonic(), False
        # A sign of life may come as a plain PONG, before the subscription counts.
        return answer if isinstance(answer, list) else [answer]
