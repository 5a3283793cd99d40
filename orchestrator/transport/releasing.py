"""What is set aside for breakers, as a mover sees it: which may go on, and how they get into their lists."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from random import Random
from typing import Any, TypeAlias

import structlog
from redis import Redis
from redis.exceptions import NoScriptError

from orchestrator import keys
from orchestrator.transport import scripts
from orchestrator.transport.keys import Keys

_LOG = structlog.get_logger(__name__)

_SEED_BITS = 31

# Which lists this worker claims from, but for those of these queues, which are paused.
Lists: TypeAlias = Callable[[Collection[str]], list[str]]


class Releasing:
    """The messages that wait on one broker; each method may raise redis.exceptions.RedisError."""

    def __init__(self, client: Redis, places: Keys, random: Random) -> None:
        self._client: Any = client
        self._keys = places
        self._random = random

    def look(self) -> tuple[list[str], Sequence[int]]:
        """The breakers that messages wait for, and the broker's time as TIME tells it."""
        with self._client.pipeline(transaction=False) as ask:
            ask.smembers(keys.asides(self._keys.prefix))
            ask.time()
            names, now = ask.execute()
        return sorted(_texts(names)), now

    def overdue(self, breaker: str, now: float, most: int) -> list[str]:
        """Those whose wait has ended, at `now` in Unix seconds of the broker."""
        until_ms = int(now * 1000)
        return _texts(
            self._client.zrange(self._waiting(breaker), "-inf", until_ms, byscore=True, offset=0, num=most)
        )

    def first(self, breaker: str, most: int) -> list[str]:
        """Those whose turn it is."""
        return _texts(self._client.zrange(self._waiting(breaker), 0, most - 1))

    def probes(self, breaker: str, most: int, lists: Lists) -> list[str]:
        """Those that may find out if it is back, by chance: one that is first and fails by itself would not.

        Nor would one that nobody claims.
        """
        paused = _texts(self._client.smembers(keys.paused(self._keys.prefix)))
        seed = self._random.getrandbits(_SEED_BITS)
        return _texts(self._ask("probes", self._keys.release(breaker)[:2], most, seed, *lists(paused)))

    def release(self, breaker: str, ids: Sequence[str]) -> None:
        """Move these into their lists, to the end that is claimed next, the first one foremost."""
        answer = self._ask("release", self._keys.release(breaker), breaker, *ids)
        for refusing in _texts(answer[1:]):
            _LOG.warning("queue_is_no_list", key=refusing, todo="rename or delete what is under this key")

    def _waiting(self, breaker: str) -> str:
        return self._keys.release(breaker)[0]

    def _ask(self, name: str, places: Sequence[str], *arguments: Any) -> Any:
        script = scripts.load(name)
        command = ("EVALSHA", script.sha, len(places), *places, *arguments)
        try:
            return self._client.execute_command(*command)
        except NoScriptError:
            self._client.script_load(script.text)
            return self._client.execute_command(*command)


def _texts(values: Iterable[str | bytes]) -> list[str]:
    return [
        each.decode(errors="surrogateescape") if isinstance(each, bytes) else str(each) for each in values
    ]
