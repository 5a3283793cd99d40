"""A client's time between connecting and disconnecting: its producer, and the events that are under way."""

from __future__ import annotations

import asyncio

from orchestrator.errors import KafkaUnavailable
from orchestrator.kafka.delivering import Delivering
from orchestrator.kafka.options import Options
from orchestrator.kafka.reaching import reach
from orchestrator.kafka.sharing import shared

# Beyond its attempt an event may have to become a letter, in a Redis that is slow to answer.
_LETTER_SECONDS = 25.0


class Session:
    """Once it `is_over`, attempts that are under way end, and none is begun anew.

    It `is_connected` from a broker's answer on, until an attempt finds none.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self.is_over = False
        self.is_connected = False
        self.under_way = 0
        self._producer: Delivering | None = None
        self._idle: asyncio.Future[None] | None = None
        self._naps: set[asyncio.Future[None]] = set()

    def connect(self) -> Delivering:
        """The running loop's producer; it is made, or replaced, where that is necessary."""
        producer = self._producer
        if producer is None or producer.is_broken or producer.loop is not asyncio.get_running_loop():
            options = self._options
            producer = self._producer = shared.acquire(options.bootstrap_servers, options.timeout_seconds)
        return producer

    async def reach(self) -> None:
        """See that a broker answers, and have a producer.

        Raises:
            KafkaUnavailable: none does within the time of an attempt, or what the deadline leaves.
        """
        options = self._options
        try:
            await reach(options.bootstrap_servers, options.timeout_seconds)
        except KafkaUnavailable as error:
            self.failed(error)
            raise
        self.connect()
        self.answered()

    def answered(self) -> None:
        """A broker has."""
        self.is_connected = True

    def failed(self, error: Exception) -> None:
        """An attempt has: a broker may have answered all the same, unless the error says that none did."""
        if isinstance(error, KafkaUnavailable):
            self.is_connected = False

    def leave(self) -> None:
        """An event is not under way any more."""
        self.under_way -= 1
        if self._idle is not None and not self.under_way:
            _wake(self._idle)

    async def pause(self, seconds: float) -> bool:
        """Wait for so long; False as soon as it is over."""
        if self.is_over:
            return False
        loop = asyncio.get_running_loop()
        nap: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _wake, nap)
        self._naps.add(nap)
        try:
            await nap
        finally:
            timer.cancel()
            self._naps.discard(nap)
        return not self.is_over

    async def end(self) -> None:
        """Wait for the attempts that are under way, each for its time at most, and let go of the producer."""
        self.is_over = True
        for nap in self._naps:
            _wake(nap)
        loop = asyncio.get_running_loop()
        if self.under_way:
            self._idle = loop.create_future()
            await asyncio.wait([self._idle], timeout=self._options.timeout_seconds + _LETTER_SECONDS)
        producer, self._producer = self._producer, None
        if producer is not None and producer.loop is loop:
            await shared.release(producer)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
