"""Letters that are on their way to the index: in Redis, and in PostgreSQL where Kafka did not take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

# A list of letters does not wait for a Redis that is away.
_TIMEOUT_SECONDS = 0.5


def waiting(connection: Connection[Any]) -> int | None:
    """How many there are; None where Redis does not answer."""
    from redis.exceptions import RedisError

    from orchestrator import broker, keys, settings
    from orchestrator.index.stats import overflow

    chosen = settings.current()
    try:
        with broker.client(chosen, timeout_seconds=_TIMEOUT_SECONDS, retries=0) as client:
            in_redis: Any = client.xlen(keys.outbox(chosen.key_prefix))
    except (RedisError, OSError):
        return None
    return int(in_redis) + overflow(connection)
