"""What a worker says of itself: its pool, and the queues that it consumes now."""

from __future__ import annotations

import os
import socket
from typing import Any

_POOLS = {"PreforkPool": "prefork", "SoloPool": "solo", "ThreadPool": "threads"}


class Serving:
    """Says it, from any thread, for as long as this channel is the worker's.

    Queues are added and cancelled by remote control, and processes too. Once the connection is lost nothing
    is consumed: until there is another one, the worker serves what it served. One that stops serves nothing,
    however long its pool goes on with what has begun.
    """

    def __init__(self, consumer: Any, channel: Any) -> None:
        self._consumer = consumer
        self._channel = channel
        self._queues = sorted(channel.claimed)
        self._is_lost = self._has_ended = False

    def end(self) -> None:
        """The worker stops: nothing is claimed any more."""
        self._has_ended = True

    def lose(self) -> None:
        """The connection is lost: its consumers are about to be cancelled, and nobody means that."""
        self._is_lost = True

    def __call__(self) -> dict[str, Any]:
        """It, as JSON can have it."""
        queues = sorted(self._channel.claimed)
        # Looked at afterwards: what was read before the connection was lost holds.
        if not (self._channel.closed or self._is_lost):
            self._queues = queues
        pool = self._consumer.pool
        return {
            "node": self._consumer.hostname,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "pool": _POOLS.get(type(pool).__name__, type(pool).__name__),
            "concurrency": _processes(pool),
            "queues": [] if self._has_ended else self._queues,
        }


def _processes(pool: Any) -> int:
    try:
        return int(pool.num_processes)
    except AttributeError:
        # It has stopped, or has not begun.
        return int(pool.limit)
