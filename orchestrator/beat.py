"""Beat's heartbeat: whenever beat has sent a task it says so in Redis, so that its silence can be noticed."""

import json
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from celery.signals import after_task_publish, beat_embedded_init, beat_init
from redis import Redis

from orchestrator import keys, redis, settings

_logger = logging.getLogger(__name__)
# Beat must not fall behind because Redis is slow to take its heartbeat.
_WRITE_TIMEOUT_SECONDS = 1.0
# Beat is late when two ticks are missing and half of the third.
_LATE_AFTER_TICKS = 2.5


@dataclass(frozen=True)
class Heartbeat:
    """What a beat last said of itself; times are Unix seconds.

    `rival` is another beat that has sent tasks since this one began to: then every tick is sent twice.
    """

    beat: str
    at: float
    ticks: int
    rival: str | None = None
    rival_at: float = 0.0


class Pulse:
    """One beat's heartbeat in the Redis that the client reaches."""

    def __init__(self, client: Redis, name: str, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._clock = clock
        self._said = Heartbeat(name, at=0.0, ticks=0)
        self._since = 0.0

    def start(self) -> None:
        """Say that beat is there, before its first tick; another beat's word is left alone."""
        self._client.set(keys.beat(), self._next(ticks=0), ex=keys.DAY_SECONDS, nx=True)

    def tick(self) -> None:
        """Say that beat has just sent a task, and learn whether another beat does the same."""
        now = self._next(ticks=self._said.ticks + 1)
        self._since = self._since or self._said.at
        before = _parse(self._client.set(keys.beat(), now, ex=keys.DAY_SECONDS, get=True))
        if before and before.beat != self._said.beat and before.ticks and before.at > self._since:
            self._said = Heartbeat(**asdict(self._said) | {"rival": before.beat, "rival_at": before.at})

    def _next(self, ticks: int) -> str:
        self._said = Heartbeat(**asdict(self._said) | {"at": self._clock(), "ticks": ticks})
        return json.dumps(asdict(self._said))


def watch() -> None:
    """From now on, a process that becomes beat writes its heartbeat, whatever its scheduler."""
    beat_init.connect(_begin, dispatch_uid="omninode-beat")
    beat_embedded_init.connect(_begin, dispatch_uid="omninode-beat-embedded")


def last_heartbeat(client: Redis) -> Heartbeat | None:
    """The newest heartbeat of any beat, or None when there was none for a day."""
    return _parse(client.get(keys.beat()))


def is_late(last_tick_at: float, now: float, interval_seconds: float) -> bool:
    """Whether beat is late at `now`; times are Unix seconds."""
    return now - last_tick_at > late_after_seconds(interval_seconds)


def late_after_seconds(interval_seconds: float) -> float:
    """After how long a silence beat is late, which ought to send something at each interval."""
    return _LATE_AFTER_TICKS * interval_seconds


def _begin(**_: Any) -> None:
    client = redis.connect(settings.current().redis_url, timeout_seconds=_WRITE_TIMEOUT_SECONDS, retries=0)
    pulse = Pulse(client, f"{socket.gethostname()}:{os.getpid()}")

    def tick(**_: Any) -> None:
        _attempt(pulse.tick)

    _attempt(pulse.start)
    # Signals keep weak references unless told otherwise.
    after_task_publish.connect(tick, weak=False, dispatch_uid="omninode-beat-tick")


def _attempt(write: Callable[[], None]) -> None:
    try:
        write()
    except Exception as error:
        _logger.warning("beat's heartbeat could not be written: %s", error)


def _parse(value: Any) -> Heartbeat | None:
    return Heartbeat(**json.loads(value)) if value else None
