"""The Redis of the broker, where outbox and outcomes lie: reached by its URL, or through a Sentinel."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from redis import Redis
from redis.connection import parse_url
from redis.sentinel import Sentinel, SentinelConnectionPool

from orchestrator import connections, redis, urls
from orchestrator.settings import Settings

_SENTINEL = "sentinel"
_SENTINEL_PORT = 26379


def client(
    settings: Settings,
    *,
    decode: bool = False,
    timeout_seconds: float = redis.ANSWER_TIMEOUT_SECONDS,
    retries: int = 3,
) -> Redis:
    """A client of the broker's Redis; it connects when it is first asked something.

    With `decode`, replies are text, else bytes. Behind a Sentinel it is the one that is the master at the
    time: after a failover the next call goes to the new one. Several Sentinels are separated by `;`.
    """
    first, *others = settings.broker_url.split(";")
    about = redis.options(timeout_seconds, retries, decode=decode)
    if urlsplit(first).scheme != _SENTINEL:
        direct = Redis.from_url(urls.as_redis_spells(first), **about)
        connections.redis_pool(direct.connection_pool)
        return direct
    # Database and password of the master are those of the first URL, as Celery reads it too.
    options = about | _of_master(first)
    sentinels: Any = Sentinel([_address(url) for url in (first, *others)], **options)  # type: ignore[no-untyped-call]
    master: Redis = sentinels.master_for(settings.sentinel_master, connection_pool_class=_Pool)
    connections.redis_pool(master.connection_pool)
    return master


def reach(settings: Settings, broker_url: str | None = None) -> None:
    """The same as `orchestrator.redis.reach`, for the broker's: that of this URL, else of the settings."""
    if broker_url:
        settings = settings.model_copy(update={"celery_broker_url": broker_url})
    with client(settings, timeout_seconds=redis.SIGN_OF_LIFE_SECONDS, retries=0) as connected:
        connected.ping()


class _Pool(SentinelConnectionPool):
    """Closes the connections to the Sentinels along with those to the master."""

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        super().disconnect(*args, **kwargs)
        for sentinel in self.sentinel_manager.sentinels:
            sentinel.close()


def _of_master(url: str) -> dict[str, Any]:
    named: dict[str, Any] = dict(parse_url(url.replace(_SENTINEL, "redis", 1)))  # type: ignore[no-untyped-call]
    return {name: value for name, value in named.items() if name not in {"host", "port"}}


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "localhost", parts.port or _SENTINEL_PORT
