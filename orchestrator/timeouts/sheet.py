"""What one process tells the fleet of what runs in it: one string in Redis, which ends by itself."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from orchestrator import keys, redis
from orchestrator.settings import Settings
from orchestrator.timeouts import running
from orchestrator.timeouts.running import Running

LIVES_SECONDS = 6
MOST_ENTRIES = 1000
_MOST_CHARACTERS = 300
_ANSWER_SECONDS = 2.0
# Of processes that were killed only the names are left; a clock that is off by less forgets nobody.
_KEPT_SECONDS = 3600
_SET_LIVES_SECONDS = 86_400


class Sheet:
    """Written and taken back by one thread of the process that made it."""

    def __init__(self) -> None:
        self._host = socket.gethostname()
        # A process's number is used again, its name is not.
        self.process = f"{self._host}:{os.getpid()}:{uuid4().hex[:8]}"
        self._gone_at = 0.0
        self._url = ""
        self._client: Any = None

    @property
    def is_out(self) -> bool:
        """Whether the fleet may still see something of it."""
        return time.monotonic() < self._gone_at

    def write(self, entries: Sequence[Running], chosen: Settings) -> None:
        """Replace what was told by these, oldest first, or take it back where there are none.

        Raises:
            RedisError, OSError: Redis does not answer.
        """
        if not entries and not self.is_out:
            return
        key, members = (
            keys.running(self.process, chosen.key_prefix),
            keys.running_processes(chosen.key_prefix),
        )
        ask = self._connected(chosen.redis_url).pipeline(transaction=False)
        if entries:
            now = time.time()
            ask.set(key, self._text(entries, now), ex=LIVES_SECONDS)
            ask.zadd(members, {self.process: now})
            ask.zremrangebyscore(members, "-inf", now - _KEPT_SECONDS)
            ask.expire(members, _SET_LIVES_SECONDS)
            # Noted first: the answer may be lost where the command was not.
            self._gone_at = time.monotonic() + LIVES_SECONDS
            ask.execute()
        else:
            ask.delete(key)
            ask.zrem(members, self.process)
            ask.execute()
            self._gone_at = 0.0

    def _connected(self, url: str) -> Any:
        if url != self._url or self._client is None:
            if self._client is not None:
                self._client.close()
            self._client, self._url = redis.connect(url, _ANSWER_SECONDS, retries=0), url
        return self._client

    def _text(self, entries: Sequence[Running], unix_now: float) -> str:
        now = time.monotonic()
        return json.dumps(
            {
                "host": self._host,
                "pid": os.getpid(),
                "worker": running.worker_name,
                "left_out": max(0, len(entries) - MOST_ENTRIES),
                "entries": [_told(entry, now, unix_now) for entry in entries[:MOST_ENTRIES]],
            },
            default=str,
        )


def _told(entry: Running, now: float, unix_now: float) -> dict[str, Any]:
    """An entry as lengths of time: those do not depend on whose clock is right."""
    # Of a task that nobody would stop, as in a pool of threads, the deadline alone is told.
    coming = entry.next_limit(now, unix_now) if entry.kind == "operation" or entry.ends_at else None
    limit, at = coming or ("", None)
    return {
        "kind": entry.kind,
        "name": entry.name[:_MOST_CHARACTERS],
        "task_id": entry.task_id[:_MOST_CHARACTERS],
        "pid": entry.pid,
        "started_at": entry.started_at,
        "elapsed_seconds": round(now - entry.began, 3),
        "limit": limit,
        "limit_seconds": None if at is None else round(at - entry.began, 3),
        "deadline": entry.deadline,
        "state": entry.state_at(now),
        "explained": None if entry.explained is None else dict(entry.explained),
    }
