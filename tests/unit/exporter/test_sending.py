"""An exporter keeps no answer for somebody who does not take it."""

import asyncio
import select
import socket
from pathlib import Path
from typing import Any

import pytest

from monitoring.exporter import handlers, server
from monitoring.exporter.access import Access
from tests.processes import wait_until

_LONG = 64 * 1024 * 1024


class _Long:
    async def metrics(self) -> bytes:
        return b"#" * _LONG


def test_who_does_not_read_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_SEND_SECONDS", 0.2)

    assert asyncio.run(_read_late()) < _LONG


async def _read_late() -> int:
    """How many bytes come to somebody who reads when the server has no connection any more."""
    access, stop, answers = Access("127.0.0.1", 0), asyncio.Event(), _Long()
    sockets = server.listen(access)
    with socket.create_connection(sockets[0].getsockname()) as client:
        serving = asyncio.create_task(_serve(access, answers, sockets, stop))
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            return await asyncio.to_thread(_length_once_left, client)
        finally:
            stop.set()
            await serving


async def _serve(access: Access, answers: Any, sockets: list[socket.socket], stop: asyncio.Event) -> None:
    await server.serve(handlers.application(access, answers), sockets, stop, lambda: None)


def _length_once_left(client: socket.socket) -> int:
    select.select([client], [], [], 10)
    most = _open_files()
    wait_until(lambda: _open_files() < most, what="the end of the connection")
    return _length(client)


def _open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def _length(client: socket.socket) -> int:
    length = 0
    while chunk := client.recv(1 << 20):
        length += len(chunk)
    return length
