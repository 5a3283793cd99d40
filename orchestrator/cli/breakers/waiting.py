"""How many tasks wait for a breaker; they lie in the broker's Redis, which may be another one."""

from __future__ import annotations

from collections.abc import Sequence

# What is known of the breakers themselves does not wait for a broker that is away.
_TIMEOUT_SECONDS = 1.0


def waiting(names: Sequence[str]) -> dict[str, int] | None:
    """The tasks set aside, by breaker; None where the broker does not answer."""
    from redis.exceptions import RedisError

    from orchestrator import broker, keys, settings

    chosen = settings.current()
    try:
        with broker.client(chosen, timeout_seconds=_TIMEOUT_SECONDS, retries=0) as client:
            pipeline = client.pipeline(transaction=False)
            for name in names:
                pipeline.zcard(keys.aside(name, chosen.key_prefix))
            return dict(zip(names, pipeline.execute(), strict=True))
    except (RedisError, OSError):
        return None
