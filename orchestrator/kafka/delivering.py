"""One asyncio producer of an event loop: takes messages, and says of each when Kafka has it.

The library's producer is batched: a message lies in its buffer until somebody flushes it, and a report until
somebody polls. Both is done here while anything is under way, and in the loop's own thread: neither blocks,
and so no future is ever touched by another thread, as it would be with the library's pool of threads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future
from time import monotonic
from typing import Any, ParamSpec, TypeVar

from confluent_kafka import KafkaException, Message
from confluent_kafka.aio import AIOProducer

from orchestrator import connections as process
from orchestrator.errors import KafkaUnavailable
from orchestrator.kafka import connections, faults

P = ParamSpec("P")
R = TypeVar("R")

_logger = logging.getLogger(__name__)

# Its buffer is sent by nobody but the task that does it for all: who publishes may be cancelled meanwhile,
# and would leave what the library has taken out of the buffer and not sent yet.
_NEVER_FULL = 2**31
# What nobody waits for any more may still be on its way when a producer is closed.
_MOMENT_SECONDS = 0.2
# Between two looks for what was waited for long enough.
_LOOK_SECONDS = 0.02
# Between two looks for reports: at first, and as a part of the time that nothing has come.
_LEAST_PAUSE_SECONDS, _MOST_PAUSE_SECONDS, _PAUSE_PART = 0.0005, 0.02, 0.1


class Delivering:
    """A producer, its loop, and how many clients use it. Once `is_broken`, another one has to be made."""

    def __init__(self, servers: str, timeout_seconds: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.users = 0
        self.is_broken = False
        self._timeout_seconds = timeout_seconds
        self._aio = AIOProducer(
            connections.asyncio_options(servers, timeout_seconds),
            executor=_AtOnce(),
            batch_size=_NEVER_FULL,
            buffer_timeout=0,
        )
        process.track("kafka", self, lambda one: int(one.users > 0))
        # Since when each is waited for, the longest first: a timer for each would cost too much.
        self._waiting: dict[asyncio.Future[Any], float] = {}
        self._looks_at = 0.0
        self._ended = 0
        self._is_fresh = False
        self._pump: asyncio.Task[None] | None = None
        self._nap: asyncio.Future[None] | None = None

    async def deliver(
        self, topic: str, key: bytes | None, value: bytes, within_seconds: float | None = None
    ) -> Message:
        """Publish it, and wait until Kafka has it, for as long as the producer may, or less.

        Raises:
            KafkaUnavailable: Kafka did not take it in time, or does not take it now.
            EventRefused: Kafka takes it never.
        """
        try:
            future = await self._aio.produce(topic, value, key)
        except Exception as error:
            raise self._broken(error) from error
        self._is_fresh = True
        self._waiting[future] = monotonic()
        # Nearly none has less time than the producer gives to all.
        timer = within_seconds and self.loop.call_later(within_seconds, _strike, future, within_seconds)
        if self._nap is not None or self._pump is None:
            self._wake()
        try:
            delivered: Message = await future
        except KafkaException as error:
            self.is_broken = self.is_broken or error.args[0].fatal()
            raise faults.translate(error.args[0], topic) from None
        finally:
            del self._waiting[future]
            self._ended += 1
            if timer:
                timer.cancel()
        return delivered

    async def close(self) -> None:
        """Give what is still on its way a moment; what Kafka has not taken then is dropped.

        Nobody waits for it: it was reported as failed, or whoever waited was cancelled.
        """
        ends_at = monotonic() + _MOMENT_SECONDS
        while len(self._aio) and monotonic() < ends_at and not self.is_broken:
            await self._aio.flush(0)
            await asyncio.sleep(_MOST_PAUSE_SECONDS)
        if len(self._aio):
            self._fail_all(KafkaUnavailable("the producer was closed"))
            await self._aio.purge()
        await self._aio.close()

    def _broken(self, error: BaseException) -> KafkaUnavailable:
        # It would send its whole buffer again and again: what waits in it fails, and is tried elsewhere.
        self.is_broken = True
        _logger.warning("the producer takes no more messages and is replaced: %s", error)
        return KafkaUnavailable(f"the producer failed: {error}")

    def _fail_all(self, error: KafkaUnavailable) -> None:
        # Before the library cancels them, which would look as if whoever waits had been cancelled.
        for future in self._waiting:
            if not future.done():
                future.set_exception(error)

    def _wake(self) -> None:
        if self._pump is None:
            self._pump = self.loop.create_task(self._work())
            self._pump.add_done_callback(self._pumped)
        elif self._nap is not None:
            _end(self._nap)

    def _pumped(self, pump: asyncio.Task[None]) -> None:
        """Whoever ends a loop cancels all its tasks: while anybody waits, there is another one."""
        self._pump = None
        if not pump.cancelled() and (error := pump.exception()):
            self._fail_all(self._broken(error))
        elif self._waiting and not self.loop.is_closed():
            self._wake()

    async def _work(self) -> None:
        """Send and poll while anybody waits."""
        ended, since = self._ended, monotonic()
        while self._waiting:
            try:
                await (self._flush() if self._is_fresh else self._aio.poll(0))
            except Exception as error:
                self._fail_all(self._broken(error))
                await self._aio.purge()
                return
            now = monotonic()
            self._look(now)
            if ended != self._ended:
                ended, since = self._ended, now
            pause = (now - since) * _PAUSE_PART
            if not self._is_fresh:
                await self._rest(min(max(pause, _LEAST_PAUSE_SECONDS), _MOST_PAUSE_SECONDS))

    def _look(self, now: float) -> None:
        if now < self._looks_at:
            return
        self._looks_at = now + _LOOK_SECONDS
        for future, since in self._waiting.items():
            if now - since < self._timeout_seconds:
                return
            _strike(future, self._timeout_seconds)

    async def _flush(self) -> None:
        self._is_fresh = False
        await self._aio.flush(0)

    async def _rest(self, seconds: float) -> None:
        self._nap = self.loop.create_future()
        timer = self.loop.call_later(seconds, _end, self._nap)
        try:
            await self._nap
        finally:
            timer.cancel()
            self._nap = None


class _AtOnce(Executor):
    """Runs what it is given where it is given it: all that the producer does here waits for nothing."""

    def submit(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        future: Future[R] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


def _end(nap: asyncio.Future[None]) -> None:
    if not nap.done():
        nap.set_result(None)


def _strike(future: asyncio.Future[Any], seconds: float) -> None:
    if not future.done():
        future.set_exception(KafkaUnavailable(f"Kafka has not taken it within {seconds:g} s"))
