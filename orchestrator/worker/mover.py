"""Lets go what was set aside, gently: one thread a worker, whose cost does not grow with what waits.

Any number of movers may be at work: the store decides what goes on, and a script moves it, once.
"""

from __future__ import annotations

import math
import os
import threading
from contextlib import suppress
from random import Random

import structlog
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from orchestrator import forks
from orchestrator.breaker import Breaker
from orchestrator.breaker.hub import hub
from orchestrator.breaker.state import State
from orchestrator.errors import BreakerOpen, InvalidBreaker
from orchestrator.retry.backoff import ceiling_seconds
from orchestrator.transport.keys import Keys
from orchestrator.transport.releasing import Lists, Releasing
from orchestrator.worker import clock, gate

_LOG = structlog.get_logger(__name__)

# How often it looks while something may go on, and while nothing may: then transitions wake it, too.
_BUSY_SECONDS, _IDLE_SECONDS = 0.05, 1.0
_LONGEST_PAUSE_SECONDS = 5.0
_CLOSE_SECONDS = 5.0
# While probes find out: what comes of them wakes it.
_PROBING_SECONDS = 0.25
# How many go on in one step.
_MOST_OVERDUE, _MOST = 100, 500


class Mover:
    """The thread of one worker on one broker."""

    def __init__(self, client: Redis, places: Keys, lists: Lists) -> None:
        self.client = client
        self.lists = lists
        self._asides = Releasing(client, places, Random())  # noqa: S311 (a chance, no secret)
        self._pid = os.getpid()
        self._failures = 0
        self._refused: set[str] = set()
        self._stopping = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="omninode-mover", daemon=True)

    def start(self) -> None:
        """Begin; from now on transitions of this process's breakers wake it."""
        # Before the first message: by a wrong clock it would have waited for hours the next time.
        with suppress(RedisError, OSError):
            clock.hear(self._asides.look()[1])
        forks.keep_apart()
        hub().listen(self._hear)
        self._thread.start()

    def close(self) -> None:
        """Stop after the step that is under way."""
        self._stopping = True
        self._wake.set()
        hub().forget(self._hear)
        if self._thread.ident is not None:
            self._thread.join(_CLOSE_SECONDS)

    def turn(self) -> float:
        """Look once for what may go on; returns after how many seconds to look again.

        Raises:
            redis.exceptions.RedisError: the broker is away.
        """
        names, told = self._asides.look()
        clock.hear(told)
        pauses = [self._look_at(name) for name in names]
        return min([*pauses, _IDLE_SECONDS])

    def _run(self) -> None:
        pause_seconds = 0.0
        while not self._stopping:
            self._wake.wait(pause_seconds)
            self._wake.clear()
            with forks.threads_at_work():
                pause_seconds = self._try()

    def _try(self) -> float:
        try:
            pause_seconds = self.turn()
        except Exception as error:
            if not isinstance(error, RedisError | OSError):
                _LOG.exception("mover_failed")
            elif not self._failures:
                _LOG.warning("mover_waits_for_redis", error=str(error))
            self._failures += 1
            return ceiling_seconds(self._failures - 1, _BUSY_SECONDS, _LONGEST_PAUSE_SECONDS)
        if self._failures:
            _LOG.info("mover_goes_on", failures=self._failures)
        self._failures = 0
        return pause_seconds

    def _look_at(self, name: str) -> float:
        try:
            pause_seconds = self._let_go(name)
        except ResponseError as error:
            # Something else has its key, or Redis takes no writes: others must not wait for that.
            if name not in self._refused:
                self._refused.add(name)
                _LOG.warning("mover_refused", breaker=name, error=str(error))
            return _IDLE_SECONDS
        self._refused.discard(name)
        return pause_seconds

    def _let_go(self, name: str) -> float:
        """Let go of one breaker's messages what may; returns after how many seconds to look at it again."""
        overdue = self._asides.overdue(name, clock.now(), _MOST_OVERDUE)
        if overdue:
            self._asides.release(name, overdue)
            return _BUSY_SECONDS
        try:
            guard = gate.known(name)
        except InvalidBreaker as error:
            # Only a hand can have written it: whoever claims what waited warns of the name.
            _LOG.warning("breaker_ignored", breaker=name, error=str(error))
            self._asides.release(name, self._asides.first(name, _MOST))
            return _BUSY_SECONDS
        # Others may have given the fleet another policy: this is the thread that has the time to ask.
        guard.standing.make_known()
        circuit, policy = guard.state, guard.policy
        if not gate.lets_go(circuit):
            return circuit.left_seconds or _IDLE_SECONDS
        is_closed = circuit.circuit == "closed" or circuit.mode != "auto"
        if is_closed:
            most = math.ceil(policy.ramp_per_second * 2 * _BUSY_SECONDS)
            ids = self._asides.first(name, min(most, _MOST))
        else:
            ids = self._asides.probes(name, min(policy.probes, _MOST), self.lists)
        let_go = hub().ask(lambda store: store.release(name, policy, ids)) if ids else []
        if let_go is None:
            let_go = _without_store(guard, ids)
        if let_go or not ids:
            self._asides.release(name, let_go)
        if not ids:
            return _IDLE_SECONDS
        return _BUSY_SECONDS if is_closed else _PROBING_SECONDS

    def _hear(self, _before: State, _after: State) -> None:
        # A forked child inherits the listener, and no mover.
        if os.getpid() == self._pid:
            self._wake.set()


def _without_store(guard: Breaker, ids: list[str]) -> list[str]:
    """The breakers' Redis is away, the broker is not: one at a time, and as this process's breaker says."""
    try:
        if guard.state.holds_calls_back:
            guard.permit(ids[0])
    except BreakerOpen:
        return []
    return ids[:1]


_mover: Mover | None = None


def start(client: Redis, places: Keys, lists: Lists) -> None:
    """Have this process's mover at work on that broker, if it is not, for a worker of these lists."""
    global _mover  # noqa: PLW0603 (a process has one)
    if _mover is not None and _mover.client is not client:
        close()
    if _mover is None:
        _mover = Mover(client, places, lists)
        _mover.start()
    _mover.lists = lists


def close() -> None:
    """Stop it, within limits."""
    global _mover  # noqa: PLW0603
    if _mover is not None:
        _mover.close()
        _mover = None
