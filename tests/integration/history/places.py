"""What tests of the history need: counts in Redis, and what the history says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import Connection
from redis import Redis

from orchestrator import keys
from orchestrator.tally import fields

PAID = fields.field("outcome", "shop.pay", "celery", "succeeded", "")
CALLED = fields.field("call", "shop", "pay", "success")


def present(client: Redis) -> int:
    """The present minute by Redis's clock."""
    clock: Any = client.time()
    return int(clock[0]) // 60


def count(client: Redis, minute: int, counted: Mapping[str, Any], identity: str = "1.5") -> None:
    """Count in a minute, as scripts do."""
    stored: Any = {"id": identity, **counted}
    client.hset(keys.metrics(f"minute:{minute}"), mapping=stored)
    client.expire(keys.metrics(f"minute:{minute}"), keys.DAY_SECONDS)
    client.zadd(keys.metrics("minutes"), {str(minute): minute})


def told(client: Redis, name: str = "kept") -> dict[str, str]:
    """The fields of a hash that are counts."""
    stored: Any = client.hgetall(keys.metrics(name))
    return {field: value for field, value in stored.items() if field.startswith("[")}


def listed(client: Redis, name: str) -> list[str]:
    """A sorted set of windows or minutes."""
    found: Any = client.zrange(keys.metrics(name), 0, -1)
    return list(found)


def by_tier(database: Connection[Any]) -> dict[str, int]:
    """How much was counted, by tier."""
    rows = database.execute("SELECT tier, sum(count)::bigint FROM metric_history GROUP BY tier").fetchall()
    return dict(rows)
