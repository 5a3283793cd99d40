"""The last result of every check, kept in Redis between two ticks of beat."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from redis import Redis

from monitoring.health.registry import Check
from monitoring.health.verdict import CheckResult
from orchestrator import keys


def load(client: Redis) -> dict[str, CheckResult]:
    """The last result of each check, by name."""
    stored: Any = client.hgetall(keys.health())
    return {name: CheckResult(**json.loads(result)) for name, result in stored.items()}


def store(client: Redis, results: Iterable[CheckResult]) -> None:
    """Keep these, and only these: a check that is no longer declared is forgotten."""
    fields: dict[Any, Any] = {result.name: json.dumps(asdict(result)) for result in results}
    with client.pipeline(transaction=True) as pipeline:
        pipeline.delete(keys.health())
        if fields:
            pipeline.hset(keys.health(), mapping=fields)
            pipeline.expire(keys.health(), keys.DAY_SECONDS)
        pipeline.execute()


def is_due(check: Check, last: CheckResult | None, now: float, tick_seconds: float) -> bool:
    """Whether this tick is the nearest one to when the check's `every` is over; ticks are a little uneven."""
    if last is None or check.every is None:
        return True
    return now - last.checked_at + min(tick_seconds, check.every) / 2 >= check.every
