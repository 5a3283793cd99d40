"""One HTTP request and its answer: over a client of the process's own, bounded in time and in size."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock, Thread

import httpx2

# A batch of 128 vectors of 3072 numbers is about 9 MB of JSON.
MAX_ANSWER_BYTES = 16 * 1024 * 1024


class BadAnswer(Exception):
    """The server answered, but with something that cannot be read."""


@dataclass(frozen=True)
class Limits:
    """How long the parts of an exchange may take, in seconds; `left_seconds` is what a deadline leaves."""

    connect_seconds: float
    read_seconds: float
    left_seconds: float | None = None

    @property
    def whole_seconds(self) -> float:
        """The limit on everything together, names looked up and every last byte read.

        The read timeout alone starts anew with each byte: a server that sends a byte now and then would hold
        the call for ever. So there is once the read timeout for the model to think, and once for its answer.
        """
        usual_seconds = self.connect_seconds + 2 * self.read_seconds
        return usual_seconds if self.left_seconds is None else min(usual_seconds, self.left_seconds)


@dataclass(frozen=True)
class Received:
    """An answer with its body, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchanger:
    """Keeps connections open between calls, on an event loop in a thread of its own.

    Only an event loop can bound a whole exchange: a blocking client cannot be stopped between two bytes.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = httpx2.AsyncClient(
            # Compressed answers cannot be bounded before they are unpacked.
            headers={"Accept-Encoding": "identity", "User-Agent": "omninode"},
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=8),
        )
        Thread(target=self._loop.run_forever, name="omninode-http", daemon=True).start()

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, limits: Limits
    ) -> Received:
        """Send a request, wait for the whole answer.

        Raises:
            httpx2.HTTPError: the server could not be reached, or broke off.
            TimeoutError: the whole took longer than its limit.
            BadAnswer: the answer is too long, or compressed although it must not be.
        """
        future = asyncio.run_coroutine_threadsafe(
            self._exchange(method, url, headers, body, limits), self._loop
        )
        try:
            return future.result()
        finally:
            # A task's own time limit interrupts the wait: nobody would fetch the answer then.
            future.cancel()

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, limits: Limits
    ) -> Received:
        timeout = httpx2.Timeout(limits.read_seconds, connect=limits.connect_seconds)
        async with (
            asyncio.timeout(limits.whole_seconds),
            self._client.stream(method, url, headers=headers, content=body, timeout=timeout) as response,
        ):
            return Received(response.status_code, response.headers, await _read(response))


def exchanger() -> Exchanger:
    """This process's Exchanger: a forked child makes its own, connections are never shared across a fork."""
    with _lock:
        return _exchangers.get(os.getpid()) or _exchangers.setdefault(os.getpid(), Exchanger())


async def _read(response: httpx2.Response) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise BadAnswer("it is compressed, although the request forbids it")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise BadAnswer(f"it is longer than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


_lock = Lock()
_exchangers: dict[int, Exchanger] = {}
