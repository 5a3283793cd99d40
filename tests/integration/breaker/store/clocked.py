"""A store whose scripts go by a clock that the test sets: the rest of them is as it is shipped."""

from __future__ import annotations

from redis import Redis

from orchestrator.breaker import scripts
from orchestrator.breaker.store import Store

_CLOCK = "the-test's-clock"
_TIME = "redis.call('TIME')"


class Clocked(Store):
    """Begins at an hour that is far from the clock's beginning; chance always has the same value."""

    BEGINS_MS = 1_700_000_000_000

    def __init__(self, client: Redis, prefix: str = "", chance: float = 0.0) -> None:
        super().__init__(client, prefix, chance=lambda: chance)
        for name in list(self._scripts):
            text = scripts.load(name)
            assert text.count(_TIME) == 1
            text = text.replace(_TIME, f'redis.call("LRANGE", "{_CLOCK}", 0, 1)')
            self._scripts[name] = client.register_script(text)
        self.at_ms = self.BEGINS_MS
        self.pass_ms(0)

    def pass_ms(self, length_ms: int) -> None:
        """Let so much time pass; back, where it is negative."""
        self.at_ms += length_ms
        seconds, rest = divmod(self.at_ms, 1000)
        with self._client.pipeline() as pipe:
            pipe.delete(_CLOCK)
            pipe.rpush(_CLOCK, seconds, rest * 1000)
            pipe.execute()

    def pass_seconds(self, seconds: float) -> None:
        """Let so much time pass."""
        self.pass_ms(round(seconds * 1000))
