"""How many messages a worker takes: the configured prefetch, and as many more as it settles in a moment."""

from __future__ import annotations

import time
from typing import Any

# With short tasks, what is settled within this time is claimed ahead in one round trip.
_AHEAD_SECONDS = 0.1
_MOST_AHEAD = 200
_MEASURE_SECONDS = 0.05


class Room:
    """How much more can be held, and how much of it could start at once."""

    def __init__(self, conf: Any, pool: Any, controller: Any, channel: Any) -> None:
        self._conf = conf
        self._pool = pool
        self._controller = controller
        self._channel = channel
        self._ledger = channel.ledger
        self._rate = 0.0
        self._measured_at = time.monotonic()
        self._settled = self._ledger.settled
        self.blocks_the_loop = type(pool).__module__.endswith("pools") and type(pool).__name__ == "SoloPool"

    def __call__(self) -> tuple[int, int]:
        """(room, free): messages that may be claimed, and of them those for which a process waits."""
        processes = self._pool.num_processes
        held = len(self._ledger.claims)
        return self._most(processes) - held, processes - held

    def _most(self, processes: int) -> int:
        if self._conf.worker_disable_prefetch:
            return int(getattr(self._controller, "max_concurrency", None) or processes)
        prefetch = int(self._channel.qos.prefetch_count)
        if prefetch == 0:
            return _MOST_AHEAD
        if prefetch <= processes:
            # A multiplier of 1 means: lay nothing by.
            return prefetch
        return max(prefetch, min(_MOST_AHEAD, int(self._settled_per_second() * _AHEAD_SECONDS)))

    def _settled_per_second(self) -> float:
        now = time.monotonic()
        elapsed = now - self._measured_at
        if elapsed >= _MEASURE_SECONDS:
            rate = (self._ledger.settled - self._settled) / elapsed
            self._rate = (self._rate + rate) / 2
            self._measured_at, self._settled = now, self._ledger.settled
        return self._rate
