"""Listens and answers until it is told to stop, which takes it a moment at most."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.netutil import bind_sockets
from tornado.web import Application

from monitoring.exporter.access import Access, refuse_open_door
from orchestrator.errors import SettingsError

_MOST_HEADER_BYTES = 16_384
# Nothing is read from a body; one that is sent along does not matter.
_MOST_BODY_BYTES = 4096
_MOST_CONNECTIONS = 200
# Longer than the pause between two scrapes.
_IDLE_SECONDS = 90.0
_BODY_SECONDS = 5.0
_END_SECONDS = 0.5


def listen(access: Access) -> list[socket.socket]:
    """Sockets of its host and port.

    Raises:
        SettingsError: they cannot be had, or without a token are open to others than this machine.
    """
    try:
        sockets = bind_sockets(access.port, access.host)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise SettingsError(
            f"the exporter cannot listen on {access.host} port {access.port}: {why}; "
            "choose another with --port or OMNINODE_EXPORTER_PORT"
        ) from None
    try:
        # A name such as localhost leads wherever this machine has it lead.
        for each in sockets:
            refuse_open_door(access, each.getsockname()[0])
    except SettingsError:
        _close(sockets)
        raise
    return sockets


def url(access: Access, sockets: list[socket.socket]) -> str:
    """Where it is found; by the port that it has, where it was to be any free one."""
    host = f"[{access.host}]" if ":" in access.host else access.host
    return f"http://{host}:{sockets[0].getsockname()[1]}"


async def serve(
    application: Application, sockets: list[socket.socket], stop: asyncio.Event, ready: Callable[[], object]
) -> None:
    """Answer until `stop` is set; what is being answered then has half a second. `ready` is called once."""
    server = _Server(
        application,
        max_header_size=_MOST_HEADER_BYTES,
        max_body_size=_MOST_BODY_BYTES,
        idle_connection_timeout=_IDLE_SECONDS,
        body_timeout=_BODY_SECONDS,
    )
    server.add_sockets(sockets)
    try:
        ready()
        await stop.wait()
    finally:
        server.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(server.close_all_connections(), _END_SECONDS)


class _Server(HTTPServer):
    """Has at most so many connections at a time: for the next one the oldest is closed.

    Clients that connect and say nothing, or read nothing, keep nobody out.
    """

    _streams: tuple[IOStream, ...] = ()

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        *older, _ = self._streams = (*(each for each in self._streams if not each.closed()), stream)
        if len(older) >= _MOST_CONNECTIONS:
            older[0].close()
        super().handle_stream(stream, address)


def _close(sockets: list[socket.socket]) -> None:
    for each in sockets:
        each.close()
