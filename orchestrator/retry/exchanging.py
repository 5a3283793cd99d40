"""One thread of a worker that tells the fleet of its retries, and hears of theirs, beside its event loop."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from redis.exceptions import RedisError

from orchestrator import redis
from orchestrator.forks import keep_apart, threads_at_work

_LOG = structlog.get_logger(__name__)

# However often it is woken.
_SHORTEST_PAUSE_SECONDS = 0.2
_ANSWER_SECONDS = 2.0
_CLOSE_SECONDS = 3.0


class Exchanged(Protocol):
    """Something whose counts the fleet shares."""

    @property
    def is_busy(self) -> bool:
        """Whether there is anything to exchange."""

    def exchange(self, client: Any, prefix: str) -> None:
        """Tell and hear; raises RedisError or OSError while Redis is away."""


@dataclass
class _Turn:
    what: Exchanged
    every_seconds: float
    last: float = field(default=-1e9)


class Exchanger:
    """Exchanges each of its things every so many seconds, as long as it is busy; none of them needs Redis."""

    def __init__(self, url: str, prefix: str, *things: tuple[Exchanged, float]) -> None:
        self._client = redis.connect(url, _ANSWER_SECONDS, retries=0)
        self._prefix = prefix
        self._turns = [_Turn(what, seconds) for what, seconds in things]
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._is_resting = False
        self._complaint = ""
        self._thread = threading.Thread(target=self._run, name="omninode-retries", daemon=True)

    def start(self) -> None:
        """Begin; without a thread the process goes by its own counts."""
        keep_apart()
        try:
            self._thread.start()
        except RuntimeError as error:
            self._complain(str(error))

    def wake(self, what: Exchanged) -> None:
        """Exchange soon: there is something new, or the fleet's counts are needed."""
        for turn in self._turns:
            if turn.what is what:
                turn.last = -1e9
        self._woken.set()

    def keep_going(self) -> None:
        """Something may have become busy."""
        if self._is_resting:
            self._woken.set()

    def close(self) -> None:
        """Tell what is untold, within limits."""
        self._stopping.set()
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            # First: whoever makes something busy after it was looked at then sees that it has to say so.
            self._is_resting = True
            self._woken.wait(self._pause_seconds())
            self._is_resting = False
            self._woken.clear()
            now = time.monotonic()
            for turn in self._turns:
                if turn.what.is_busy and now - turn.last >= turn.every_seconds:
                    turn.last = now
                    self._exchange(turn.what)
            self._stopping.wait(_SHORTEST_PAUSE_SECONDS)
        for turn in self._turns:
            if turn.what.is_busy:
                self._exchange(turn.what)
        self._client.close()

    def _pause_seconds(self) -> float | None:
        """Until the next turn; for ever, where nothing is going on."""
        busy = [turn.last + turn.every_seconds for turn in self._turns if turn.what.is_busy]
        return max(0.0, min(busy) - time.monotonic()) if busy else None

    def _exchange(self, what: Exchanged) -> None:
        try:
            with threads_at_work():
                what.exchange(self._client, self._prefix)
        except (RedisError, OSError) as error:
            self._complain(str(error))
        except Exception:
            # Without this thread the process would go by its own counts for ever, and nobody would know.
            _LOG.exception("retries_not_exchanged")
        else:
            self._complaint = ""

    def _complain(self, words: str) -> None:
        if words != self._complaint:
            self._complaint = words
            _LOG.warning("retries_not_shared", error=words)
