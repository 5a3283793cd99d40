"""A wire between a client and a Redis of a test's own: with TLS on the client's side, or deaf to RESP3."""

import asyncio
import ssl
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from orchestrator.dev.ports import LOOPBACK

_CHUNK_BYTES = 65536
_T = TypeVar("_T")


@contextmanager
def wire(
    port: int, *, tls: ssl.SSLContext | None = None, resp3: bool = True, delay_seconds: float = 0.0
) -> Iterator[int]:
    """Join clients to the server at `port`; yields the port that they connect to.

    `tls` is what the wire shows of itself. Without `resp3` it answers HELLO as a server that knows none.
    Each answer takes `delay_seconds` longer.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="wire", daemon=True)
    thread.start()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream = await asyncio.open_connection(LOOPBACK, port)
        # Cancelled when the wire is removed.
        with suppress(asyncio.CancelledError):
            await asyncio.gather(
                _pump(reader, upstream, None if resp3 else writer),
                _pump(upstream_reader, writer, None, delay_seconds),
            )

    server = _run(loop, asyncio.start_server(connect, LOOPBACK, 0, ssl=tls))
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        _run(loop, _close(server))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def _run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run_coroutine_threadsafe(work, loop).result(10)


async def _close(server: asyncio.Server) -> None:
    server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    answer: asyncio.StreamWriter | None,
    delay_seconds: float = 0.0,
) -> None:
    try:
        with suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                if answer and b"\r\nHELLO\r\n" in data:
                    answer.write(b"-ERR unknown command 'HELLO'\r\n")
                else:
                    await asyncio.sleep(delay_seconds)
                    writer.write(data)
                    await writer.drain()
    finally:
        writer.transport.abort()
