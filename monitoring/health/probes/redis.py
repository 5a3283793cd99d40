"""Is Redis there, and does it keep what it was given?"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from monitoring.health.registry import Check, check_source
from monitoring.health.verdict import Degraded, Unhealthy
from orchestrator import redis, settings

_TIMEOUT_SECONDS = 3.0
_NEARLY_FULL = 0.9
_KEPT = {
    "always": "every write is on disk before it is acknowledged",
    "everysec": "a crash of its host can lose the last second (appendfsync everysec; `always` loses nothing)",
    "": "how often it is written to disk cannot be read (CONFIG is not permitted)",
}


@check_source
def redis_checks() -> Iterator[Check]:
    """`redis`, and `broker` where that is another server."""
    chosen = settings.current()
    yield Check("redis", partial(_probe, partial(_at, chosen.redis_url), "REDIS_URL"), critical=True)
    if chosen.broker_url != chosen.redis_url:
        yield Check("broker", partial(_probe, _broker, "CELERY_BROKER_URL"), critical=True)


def judge(info: Mapping[str, Any], appendfsync: str) -> str | Degraded:
    """What INFO and `appendfsync` (empty: unknown) say about keeping what is enqueued.

    Raises:
        Unhealthy: nothing can be enqueued at all.
    """
    if info.get("role") == "slave":
        raise Unhealthy("this is a read-only replica: connect to its primary, or through Sentinel")
    complaints = [*_about_disk(info, appendfsync), *_about_memory(info)]
    if complaints:
        return Degraded("; ".join(complaints))
    name = "Valkey" if info.get("server_name") == "valkey" else "Redis"
    version = info.get("valkey_version") or info.get("redis_version")
    return f"{name} {version}; {_KEPT.get(appendfsync, appendfsync)}"


def _about_disk(info: Mapping[str, Any], appendfsync: str) -> Iterator[str]:
    if not info.get("aof_enabled"):
        yield "the append-only file is off, a restart loses tasks: set `appendonly yes`"
        return
    if info.get("aof_last_write_status", "ok") != "ok":
        yield "the append-only file cannot be written and writes are refused: is its disk full?"
    if appendfsync == "no":
        yield "a crash of its host can lose half a minute: set `appendfsync everysec` or `always`"


def _about_memory(info: Mapping[str, Any]) -> Iterator[str]:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield f"`maxmemory-policy {policy}` evicts tasks when memory is short: set `noeviction`"
    limit, used = info.get("maxmemory", 0), info.get("used_memory", 0)
    if limit and used > limit * _NEARLY_FULL:
        yield f"{used / limit:.0%} of `maxmemory` is used, a full Redis refuses new tasks: raise it"


def _probe(connect: Callable[[], Any], variable: str) -> str | Degraded:
    try:
        with connect() as client:
            client.ping()
            return judge(*_read(client))
    except ResponseError as error:
        raise Unhealthy(f"refuses to work: {error}") from error
    except (RedisError, OperationalError, OSError) as error:
        raise Unhealthy(f"does not answer: {error} (is it running, and is {variable} right?)") from error


def _read(client: Redis) -> tuple[Mapping[str, Any], str]:
    info: Any = client.info()
    try:
        appendfsync: Any = client.config_get("appendfsync")
    except ResponseError:
        # Managed servers permit no CONFIG.
        return info, ""
    return info, appendfsync.get("appendfsync", "")


def _at(url: str) -> Redis:
    return redis.connect(url, timeout_seconds=_TIMEOUT_SECONDS, retries=0)


@contextmanager
def _broker() -> Iterator[Redis]:
    # Through Celery, which also knows Sentinel and the app's own transport options.
    options = {"socket_connect_timeout": _TIMEOUT_SECONDS, "socket_timeout": _TIMEOUT_SECONDS}
    with closing(current_app.connection_for_write(transport_options=options)) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)
        channel: Any = connection.default_channel
        yield channel.client
