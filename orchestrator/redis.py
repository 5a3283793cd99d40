"""The process's Redis client."""

import os
from functools import lru_cache
from typing import Any

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from orchestrator import connections, settings, urls

_CONNECT_TIMEOUT_SECONDS = 5.0
ANSWER_TIMEOUT_SECONDS = 10.0
# Where a person waits for the answer of a command.
COMMAND_TIMEOUT_SECONDS = 3.0
SIGN_OF_LIFE_SECONDS = 2.0


def client() -> Redis:
    """The client of this process: a forked child gets its own, connections are never shared across a fork."""
    return _client(os.getpid(), settings.current().redis_url)


def connect(url: str, timeout_seconds: float = ANSWER_TIMEOUT_SECONDS, retries: int = 3) -> Redis:
    """A client of the Redis at `url`; it connects when it is first asked something."""
    made = Redis.from_url(urls.as_redis_spells(url), **options(timeout_seconds, retries))
    connections.redis_pool(made.connection_pool)
    return made


def reach(url: str) -> None:
    """Nothing where the Redis at `url` gives a sign of life; one that is frozen is known within two seconds.

    For whoever goes on with a client that waits for longer, or tries again.

    Raises:
        redis.exceptions.RedisError: it does not.
    """
    with connect(url, SIGN_OF_LIFE_SECONDS, retries=0) as client:
        client.ping()


def options(
    timeout_seconds: float = ANSWER_TIMEOUT_SECONDS, retries: int = 3, *, decode: bool = True
) -> dict[str, Any]:
    """What each of our clients is made with: how long it waits, and how often it tries."""
    return {
        "decode_responses": decode,
        "socket_connect_timeout": min(_CONNECT_TIMEOUT_SECONDS, timeout_seconds),
        "socket_timeout": timeout_seconds,
        "health_check_interval": 30,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), retries),
    }


@lru_cache(maxsize=8)
def _client(_pid: int, url: str) -> Redis:
    return connect(url)
