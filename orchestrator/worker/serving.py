"""What a worker says of itself: its pool, and the queues that it consumes now."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

_POOLS = {"PreforkPool": "prefork", "SoloPool": "solo", "ThreadPool": "threads"}


def of(consumer: Any, channel: Any) -> Callable[[], Mapping[str, Any]]:
    """What says it, from any thread, for as long as this channel is the worker's.

    Queues are added and cancelled by remote control, and processes too. While the connection is lost nothing
    is consumed: until there is another one, the worker serves what it served.
    """
    last: list[str] = []

    def serves() -> Mapping[str, Any]:
        queues = sorted(channel.claimed)
        if not (channel.closed or consumer.is_reconnecting):
            last[:] = queues
        return {
            "node": consumer.hostname,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "pool": _POOLS.get(type(consumer.pool).__name__, type(consumer.pool).__name__),
            "concurrency": int(consumer.pool.num_processes),
            "queues": list(last),
        }

    return serves
