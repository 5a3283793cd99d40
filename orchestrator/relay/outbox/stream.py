"""The outbox as relays share it: a consumer group, where each entry is one relay's until it is forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from redis import Redis
from redis.exceptions import OutOfMemoryError, ResponseError

from orchestrator import keys
from orchestrator.relay import scripts
from orchestrator.relay.entry import Entry, from_stream
from orchestrator.relay.outbox.backlog import Outbox, measure

GROUP = "relay"
# A relay that has not said for so long that it works on an entry is dead: others take it over.
IDLE_SECONDS = 30.0
_GONE_SECONDS = 86_400.0
_AT_ONCE = 500
_START = b"0-0"


class Stream:
    """The outbox, for one relay. Every method raises redis.exceptions.RedisError where Redis is away."""

    def __init__(self, client: Redis, consumer: str, suffix: str, prefix: str = "") -> None:
        self._client: Any = client
        self._consumer = consumer
        self._suffix = suffix
        self._prefix = prefix
        self._key = keys.outbox(prefix)
        self._forget = client.register_script(scripts.load("forget"))
        self._leave = client.register_script(scripts.load("leave"))
        self._cursor = _START

    def join(self) -> None:
        """Have the group there; one that is made anew begins with the oldest entry."""
        try:
            self._client.xgroup_create(self._key, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            # A Redis that is full makes no group, but lets one that is there be read.
            if not str(error).startswith("BUSYGROUP") and not isinstance(error, OutOfMemoryError):
                raise

    def read(self, most: int, wait_seconds: float = 0.0) -> list[Entry]:
        """Entries that nobody has yet, the oldest first; waits for the first one."""
        # Redis takes 0 for "for ever".
        block = max(1, int(wait_seconds * 1000)) if wait_seconds else None
        return self._entries(self._ask(">", most, block))

    def read_again(self, after: str, most: int) -> tuple[list[Entry], str | None]:
        """Entries that are this relay's already, and where to read on; None at the end."""
        found = self._ask(after, most, None)
        return self._entries(found), found[-1][0].decode() if found else None

    def take_over(self, most: int) -> tuple[list[Entry], bool]:
        """Entries that a dead relay has left behind, and whether these were the last."""
        idle_ms = int(IDLE_SECONDS * 1000)
        self._cursor, found, *_ = self._client.xautoclaim(
            self._key, GROUP, self._consumer, idle_ms, start_id=self._cursor, count=most
        )
        return self._entries(found), self._cursor == _START

    def length(self) -> int:
        """How many entries there are."""
        return int(self._client.xlen(self._key))

    def measure(self) -> Outbox:
        """How many there are, and how long the oldest one has waited."""
        return measure(self._client, self._prefix)

    def keep(self, ids: Sequence[str]) -> None:
        """Say that this relay still works on these."""
        for part in _parts(ids):
            self._client.xclaim(self._key, GROUP, self._consumer, 0, part, justid=True)

    def forget(self, ids: Sequence[str]) -> None:
        """Remove what is safe elsewhere, for all relays."""
        for part in _parts(ids):
            self._forget(keys=[self._key], args=[GROUP, *part])

    def sweep(self, *, leaving: bool = False) -> None:
        """Remove from the group whoever has been gone for a day, and this relay when it goes."""
        name = self._consumer if leaving else ""
        self._leave(keys=[self._key], args=[GROUP, name, int(_GONE_SECONDS * 1000)])

    def _ask(self, after: str, most: int, block: int | None) -> list[Any]:
        found = self._client.xreadgroup(GROUP, self._consumer, {self._key: after}, count=most, block=block)
        return list(found[0][1]) if found else []

    def _entries(self, found: Iterable[tuple[bytes, dict[bytes, bytes] | None]]) -> list[Entry]:
        read = list(found)
        # Somebody has deleted them: nobody can read them, and so nobody needs to.
        self.forget([entry_id.decode() for entry_id, content in read if not content])
        return [from_stream(entry_id, content, self._suffix) for entry_id, content in read if content]


def _parts(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
