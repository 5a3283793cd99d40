"""What a replay asks of circuit breakers: whether tasks that depend on them would only be set aside."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from redis.exceptions import RedisError

from orchestrator import keys, redis, settings
from orchestrator.breaker.outlook import outlook
from orchestrator.breaker.state import State
from orchestrator.breaker.store import Store

_BELIEVED_SECONDS = 0.5
_TIMEOUT_SECONDS = 1.0
# How long nobody is asked again where there was no answer.
_AWAY_SECONDS = 10.0


class Breakers:
    """Answers from the breakers' Redis, each believed for half a second; `channel` is one to the broker.

    Where a probe is due, and no task that waits already can be it, one letter at a time may go and find out.
    Where that Redis is away nothing is held: each worker decides by itself then.
    """

    def __init__(self, channel: Any) -> None:
        chosen = settings.current()
        self._channel = channel
        self._client = redis.connect(chosen.redis_url, timeout_seconds=_TIMEOUT_SECONDS, retries=0)
        self._store = Store(self._client, chosen.key_prefix)
        self._answers: dict[str, tuple[float, str | None]] = {}
        # Of breakers that let a letter go as a probe: why the next one has to wait.
        self._probing: dict[str, str] = {}
        self._said: dict[str, tuple[tuple[Any, ...], str]] = {}
        self._away_until = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._client.close()

    def held(self, name: str) -> str | None:
        """Why tasks that depend on this breaker have to wait: its circuit is open; "" names none."""
        now = time.monotonic()
        if not name or now < self._away_until:
            return None
        asked_at, answer = self._answers.get(name, (float("-inf"), None))
        if now - asked_at <= _BELIEVED_SECONDS:
            return answer
        try:
            answer = self._ask(name)
        except (RedisError, OSError):
            self._away_until = time.monotonic() + _AWAY_SECONDS
            return None
        self._answers[name] = (time.monotonic(), answer)
        return answer

    def go(self, name: str) -> None:
        """A letter that was not held goes: as a probe, it is the only one until the answer is out of date."""
        if sentence := self._probing.pop(name, None):
            self._answers[name] = (time.monotonic(), sentence)

    def _ask(self, name: str) -> str | None:
        (state,) = self._store.read([name])
        self._probing.pop(name, None)
        if not state.is_out:
            return None
        sentence = self._sentence(state)
        if state.mode == "isolated" or not self._may_probe(state):
            return sentence
        self._probing[name] = sentence
        return None

    def _may_probe(self, state: State) -> bool:
        """Whether a replay is what finds out: a probe is due, and no task that waits already can be it."""
        if state.left_seconds > 0:
            return False
        with self._channel.plain_client() as client:
            return not client.zcard(keys.aside(state.name, self._channel.global_keyprefix))

    def _sentence(self, state: State) -> str:
        """The same one, with the same moment in it, as long as the state is the same."""
        what = (state.born, state.version, state.circuit, state.mode, state.left_seconds > 0)
        known, sentence = self._said.get(state.name, (None, ""))
        if known != what:
            sentence = f"the circuit of {state.name!r} is {outlook(state, time.time())}"
            self._said[state.name] = (what, sentence)
        return sentence
