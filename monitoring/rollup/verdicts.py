"""The fleet's verdict as its last look has left it in Redis, for monitors that cannot ask all servers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from redis import Redis

from monitoring.judging.health import Health, Reason, Status
from orchestrator import keys

# A fleet may have ten thousand circuits, and people cannot read as many reasons.
_MOST_REASONS = 1000
_KEPT = ("name", "severity", "sentence", "component")

# Replaces the verdict, with the time of Redis's clock before it. A full Redis, too, takes it: the first
# command makes room.
# KEYS[1] the verdict; ARGV: its JSON, how many seconds it is kept. Returns nothing.
_STORE = """
local now = redis.call('TIME')
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], now[1] .. ' ' .. ARGV[1], 'EX', ARGV[2])
"""


@dataclass(frozen=True)
class Verdict:
    """How the fleet was at a look, `at` in Unix seconds of Redis's clock; the worst reasons come first."""

    status: Status
    reasons: tuple[Reason, ...]
    at: float


def store(client: Redis, health: Health, lasts_seconds: float, prefix: str = "") -> None:
    """This is how the fleet is now, for so long; where there are too many reasons, the worst thousand.

    Raises:
        redis.exceptions.RedisError: Redis does not answer.
    """
    reasons = [{name: getattr(reason, name) for name in _KEPT} for reason in health.reasons[:_MOST_REASONS]]
    text = json.dumps({"status": health.status, "reasons": reasons})
    client.eval(_STORE, 1, key(prefix), text, str(max(1, int(lasts_seconds))))


def key(prefix: str = "") -> str:
    """Where it lies."""
    return keys.metrics("verdict", prefix)


def read(text: str | None) -> Verdict | None:
    """What was stored; None where nobody has looked for long, or it is another release's."""
    at, _, told = (text or "").partition(" ")
    try:
        found: dict[str, Any] = json.loads(told)
        reasons = tuple(_reason(each) for each in found["reasons"])
        return Verdict(found["status"], reasons, float(int(at)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _reason(told: dict[str, Any]) -> Reason:
    severity, component = told["severity"], told["component"]
    if severity not in {"info", "warning", "critical"}:
        raise ValueError(severity)
    return Reason(
        str(told["name"]), severity, str(told["sentence"]), None if component is None else str(component)
    )
