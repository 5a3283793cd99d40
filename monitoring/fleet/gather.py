"""Finds out how the fleet is: every part at the same time, each by itself, and within three seconds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from monitoring.fleet import breakers, parts, queues
from monitoring.fleet.asking import ask
from monitoring.fleet.figures import Fleet
from monitoring.rollup import processes
from orchestrator import broker, redis
from orchestrator.beat import late_after_seconds
from orchestrator.queues import serving
from orchestrator.settings import Settings

# A part that takes longer is unknown; a server that is away is known to be so a little earlier.
LIMIT_SECONDS, _ANSWER_SECONDS = 3.0, 2.5


def gather(settings: Settings) -> Fleet:
    """The fleet now. Raises nothing: what cannot be found out is None, and `unknown` says why.

    A dead server takes three seconds at the most, whatever else is asked for.
    """
    answers, unknown = ask(_parts(settings), LIMIT_SECONDS)
    found_queues, uncounted = answers.get("queues", (None, {}))
    return Fleet(
        at=time.time(),
        queues=found_queues,
        workers=answers.get("workers"),
        beat=answers.get("beat"),
        relays=answers.get("relays"),
        letters=answers.get("letters"),
        breakers=answers.get("breakers"),
        running=answers.get("running"),
        processes=answers.get("processes"),
        metrics_behind_minutes=answers.get("metrics_behind_minutes"),
        unknown=unknown | uncounted,
    )


def _parts(settings: Settings) -> dict[str, Callable[[], Any]]:
    prefix = settings.key_prefix
    late_after = late_after_seconds(settings.health_interval_seconds)

    def of_broker(look: Callable[[Redis], Any], *, decode: bool = True) -> Callable[[], Any]:
        def asked() -> Any:
            where = f"{settings.sentinel_master} {settings.broker_url}"
            return look(_kept(where, lambda: _broker(settings, decode=decode), decode=decode))

        return asked

    def of_redis(look: Callable[[Redis], Any]) -> Callable[[], Any]:
        def asked() -> Any:
            url = settings.redis_url
            return look(_kept(f"results {url}", lambda: redis.connect(url, _ANSWER_SECONDS, retries=0)))

        return asked

    def answers() -> None:
        servers = {"of the broker": of_broker, "of breakers and results": of_redis}
        if settings.broker_url == settings.redis_url:
            servers.popitem()
        for which, of in servers.items():
            try:
                of(_ping)()
            except RedisError as error:
                # One that is frozen does not say where it is.
                raise type(error)(f"{error} (the one {which})") from error

    return {
        "redis": answers,
        # Names of queues need not be text.
        "queues": of_broker(lambda client: queues.figures(client, settings), decode=False),
        "workers": of_broker(lambda client: serving.workers(client, prefix)),
        "relays": of_broker(lambda client: parts.of_relays(client, prefix)),
        "processes": of_broker(lambda client: tuple(processes.read(client, prefix))),
        "metrics_behind_minutes": of_broker(lambda client: parts.of_metrics(client, prefix)),
        "beat": of_redis(lambda client: parts.of_beat(client, late_after)),
        "breakers": of_redis(lambda client: breakers.figures(client, prefix)),
        "running": of_redis(lambda client: parts.of_running(client, prefix)),
        "letters": lambda: parts.of_letters(settings.database_url, _ANSWER_SECONDS),
    }


def _ping(client: Redis) -> None:
    client.ping()


def _broker(settings: Settings, *, decode: bool) -> Redis:
    return broker.client(settings, decode=decode, timeout_seconds=_ANSWER_SECONDS, retries=0)


def _kept(name: str, make: Callable[[], Redis], *, decode: bool = True) -> Redis:
    """The client of this name in this process: to connect ten times a look costs more than what is asked."""
    key = os.getpid(), name, decode
    known = _clients.get(key)
    if known is not None:
        return known
    if len(_clients) >= _MOST_CLIENTS:
        _clients.clear()
    # Without a lock, which a forked child could inherit as held: the first one is everybody's.
    return _clients.setdefault(key, make())


_MOST_CLIENTS = 8
_clients: dict[tuple[int, str, bool], Redis] = {}
