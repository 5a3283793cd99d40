"""Sweeps: through all that can be found, or in bounded parts that follow one another."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from celery import Celery
from kombu.utils.encoding import bytes_to_str
from redis.exceptions import ResponseError

from orchestrator import keys, logger, settings
from orchestrator.queues.survey import queue_of
from orchestrator.sweep import places
from orchestrator.sweep.ending import Ender
from orchestrator.sweep.judging import Unserved
from orchestrator.sweep.reading import Reading
from orchestrator.sweep.swept import Swept
from orchestrator.sweep.taking import taker
from orchestrator.sweep.visiting import Visitor
from orchestrator.worker import revocations

_LOG = logger.get(__name__)

# A part: so many messages of each list are looked at, and after so many seconds nothing more is begun. To
# take messages out of one list Redis passes by so many others, which takes it about a second.
_MOST_LOOKED_AT, _SECONDS, _MOST_PASSED = 10_000, 10.0, 5_000_000
# Where the result backend has not heard of so many, it is away.
_MOST_UNSETTLED = 10
# For how long it is taken for granted who serves what.
_STANDING_SECONDS = 1.0


def sweep(app: Celery, channel: Any, queues: Iterable[str] = (), *, dry_run: bool = False) -> Swept:
    """Go through these queues, or all that are known or were found by now, from one end to the other.

    Queues that a living worker serves are left alone, unless they are paused.

    Raises:
        redis.exceptions.RedisError: Redis is away; what was ended until then is.
    """
    named = list(queues)
    with _begun(app, channel, dry_run=dry_run) as run:
        for name in run.unserved(places.lists_of(channel, named) if named else run.known()):
            run.read(Reading(run.client, name))
        return run.swept


def sweep_a_part(app: Celery, channel: Any) -> Swept:
    """The same in parts, of which each goes on where the one before it has stopped.

    Raises:
        redis.exceptions.RedisError: as above.
    """
    state = keys.sweep(channel.global_keyprefix)
    with _begun(app, channel) as run:
        run.ends_at = time.monotonic() + _SECONDS
        depths = {bytes_to_str(name): int(depth) for name, depth in run.client.hgetall(state).items()}
        for name in run.unserved(run.known()):
            reading = Reading(run.client, name, depths.get(name, 0), _MOST_LOOKED_AT)
            run.read(reading, _MOST_PASSED)
            # From the beginning again, where it has come to the end.
            depths[name] = 0 if reading.is_at_end else reading.depth
        _keep(run.client, state, depths)
        return run.swept


def _keep(client: Any, state: str, depths: dict[str, int]) -> None:
    kept = {name: depth for name, depth in depths.items() if depth}
    with client.pipeline() as tell:
        tell.delete(state)
        if kept:
            tell.hset(state, mapping=kept)
            tell.expire(state, keys.DAY_SECONDS)
        tell.execute()


class _Run:
    def __init__(self, app: Celery, channel: Any, client: Any, visitor: Visitor, swept: Swept) -> None:
        self.client, self.swept, self.ends_at = client, swept, math.inf
        self._app, self._channel, self._visitor = app, channel, visitor
        self._limit_hours = settings.current().queue_limit_hours
        self._standing_at = -math.inf

    def known(self) -> list[str]:
        """The lists of queues that the app declares or a person has paused, and others that may be queues."""
        named = places.lists_of(self._channel, {*self._app.amqp.queues, *self._standing().paused})
        lists = sorted({*named, *places.found(self.client, self._channel.global_keyprefix)})
        # Each comes first at some time, also where there is time for a few only.
        random.shuffle(lists)
        return lists

    def unserved(self, lists: Iterable[str]) -> Iterator[str]:
        """Those that nobody claims from, for as long as the sweep goes on."""
        for name in lists:
            if self._is_over():
                return
            if self._unserved(name):
                yield name

    def read(self, reading: Reading, most_passed: float = math.inf) -> None:
        """Go through the list."""
        try:
            self._visitor.visit(reading, partial(self._unserved, reading.name), self._is_over, most_passed)
        except ResponseError as error:
            # Something else has the queue's name, or Redis is full: the others are not held up by that.
            _LOG.warning("queue_not_swept", key=reading.name, error=str(error))

    def _is_over(self) -> bool:
        return time.monotonic() >= self.ends_at or self.swept.unsettled >= _MOST_UNSETTLED

    def _unserved(self, name: str) -> Unserved | None:
        queue = queue_of(name, self._channel.global_keyprefix)
        return self._standing().unserved(queue, self._limit_hours)

    def _standing(self) -> places.Standing:
        if time.monotonic() - self._standing_at > _STANDING_SECONDS:
            self._known = places.standing(self.client, self._channel.global_keyprefix)
            self._standing_at = time.monotonic()
        return self._known


@contextmanager
def _begun(app: Celery, channel: Any, *, dry_run: bool = False) -> Iterator[_Run]:
    swept = Swept(is_dry_run=dry_run)
    ender = Ender(app, channel)
    with channel.plain_client() as client, taker(channel) as taking:
        try:
            is_revoked = partial(revocations.is_kept, channel)
            visitor = Visitor(app, swept, None if dry_run else taking, ender, is_revoked)
            yield _Run(app, channel, client, visitor, swept)
        finally:
            ender.close()
