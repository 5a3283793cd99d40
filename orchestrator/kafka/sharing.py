"""The process's asyncio producers: one an event loop and cluster, shared by the clients that wait as long.

Producers are kept apart by how long a message may take, as that is librdkafka's to say for all of them.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading

from orchestrator.kafka.delivering import Delivering

Place = tuple[int, str, float]


class Shared:
    """Producers by their place. What belongs to a loop that has ended is never used again."""

    def __init__(self) -> None:
        self._all: dict[Place, Delivering] = {}
        self._lock = threading.Lock()

    def acquire(self, servers: str, timeout_seconds: float) -> Delivering:
        """The running loop's producer; `release` it as often."""
        # An ended loop may leave its id to another one: it is looked at, not only its id.
        place = id(asyncio.get_running_loop()), servers, timeout_seconds
        with self._lock:
            ended = [self._all.pop(each) for each, one in list(self._all.items()) if one.loop.is_closed()]
            found = self._all.get(place)
            if found is None or found.is_broken:
                found = self._all[place] = Delivering(servers, timeout_seconds)
            found.users += 1
        if ended:
            # To end a producer takes a moment, in which this loop could do something else.
            threading.Thread(target=ended.clear, daemon=True).start()
        return found

    async def release(self, producer: Delivering) -> None:
        """Its last user's leaving closes it."""
        with self._lock:
            producer.users -= 1
            if producer.users > 0:
                return
            self._all = {place: each for place, each in self._all.items() if each is not producer}
        await producer.close()

    def after_fork(self) -> None:
        """In a forked child librdkafka's threads are missing, and to free what they serve would hang."""
        for each in self._all.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))
        self._all = {}
        self._lock = threading.Lock()


shared = Shared()
os.register_at_fork(after_in_child=shared.after_fork)
