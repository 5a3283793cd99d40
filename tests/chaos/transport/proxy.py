"""The wire between workers and Redis, as a process that delays, holds, swallows and cuts on command.

`python -m tests.chaos.transport.proxy PORT UPSTREAM_PORT`; a line on standard input is a command:
`delay SECONDS`, `hold`, `flow`, `swallow` (answers do not arrive any more) or `cut`. It ends with its input.
"""

import asyncio
import sys
from contextlib import suppress

LOOPBACK = "127.0.0.1"
_CHUNK_BYTES = 65536


class Wire:
    """What is being done to the bytes of all connections."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._delay_seconds = 0.0
        self._swallows = False
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    def obey(self, command: str) -> None:
        """Do what a line of standard input says."""
        match command.split():
            case ["delay", seconds]:
                self._delay_seconds = float(seconds)
            case ["hold"]:
                self._flows.clear()
            case ["flow"]:
                self._flows.set()
            case ["swallow"]:
                self._swallows = True
            case ["cut"]:
                self._swallows = False
                for writer in list(self._writers):
                    writer.transport.abort()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a client to the server, both ways."""
        try:
            await self._flows.wait()
            upstream_reader, upstream = await asyncio.open_connection(LOOPBACK, self._upstream_port)
        except OSError:
            writer.transport.abort()
            return
        for pump in (
            self._pump(reader, upstream, writer, answers=False),
            self._pump(upstream_reader, writer, upstream, answers=True),
        ):
            running = asyncio.create_task(pump)
            self._pumps.add(running)
            running.add_done_callback(self._pumps.discard)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        other: asyncio.StreamWriter,
        *,
        answers: bool,
    ) -> None:
        self._writers.add(writer)
        try:
            with suppress(OSError):
                while data := await reader.read(_CHUNK_BYTES):
                    if self._delay_seconds:
                        await asyncio.sleep(self._delay_seconds)
                    await self._flows.wait()
                    if not (answers and self._swallows):
                        writer.write(data)
                        await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            other.transport.abort()


async def main(port: int, upstream_port: int) -> None:
    """Serve until standard input ends."""
    wire = Wire(upstream_port)
    server = await asyncio.start_server(wire.connect, LOOPBACK, port)
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    async with server:
        while line := await commands.readline():
            wire.obey(line.decode())


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
