"""Measures the outbox: how many dead letters wait in Redis, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis import Redis

from orchestrator import keys

# An entry's number begins with the ms in which it was written. The entry itself may be large: it stays there.
_MEASURE = """
local clock, first = redis.call('TIME'), redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
return {redis.call('XLEN', KEYS[1]), first and first[1] or '', clock[1] * 1000 + math.floor(clock[2] / 1000)}
"""


@dataclass(frozen=True)
class Outbox:
    """How many letters wait in Redis, and for how long the oldest one has waited."""

    length: int
    oldest_seconds: float


def measure(client: Redis, prefix: str = "") -> Outbox:
    """Look at the outbox; `client` may answer with text or bytes."""
    reply: Any = client.eval(_MEASURE, 1, keys.outbox(prefix))
    length, first, now_ms = reply
    if not first:
        return Outbox(length, 0.0)
    written_ms = int((first.decode() if isinstance(first, bytes) else first).partition("-")[0])
    return Outbox(length, max(0, now_ms - written_ms) / 1000)
