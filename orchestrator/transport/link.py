"""A worker's link to Redis: scripts are sent without waiting, replies and invalidations read as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis.exceptions import NoScriptError, ResponseError

from orchestrator.transport import scripts

_LOG = structlog.get_logger(__name__)

_RESP3 = 3


class Link:
    """One connection, in RESP3 if it can be: then the server can push invalidations between replies.

    `on_change` is called for each invalidation. `tracks` says whether the server can push them at all.
    """

    def __init__(self, connection: Any, on_change: Callable[[], None]) -> None:
        self._connection = connection
        self._on_change = on_change
        self._socket: Any = None
        self._loaded: set[str] = set()
        self.tracks = True

    @property
    def is_up(self) -> bool:
        """Whether the connection is the one that was prepared."""
        return self._socket is not None and self._connection._sock is self._socket  # noqa: SLF001

    def prepare(self) -> None:
        """Connect and switch tracking on, where that was not done on this very socket."""
        if self._connection._sock is None:  # noqa: SLF001
            self._connection.connect()
        if self.is_up:
            return
        self._socket = self._connection._sock  # noqa: SLF001
        self._loaded.clear()
        if int(self._connection.protocol) < _RESP3:
            # It would switch tracking on, and push nothing.
            self._give_up_tracking("the connection does not speak RESP3")
            return
        try:
            self._ask("CLIENT", "TRACKING", "ON", "OPTIN")
            self._connection._parser.set_invalidation_push_handler(self._changed)  # noqa: SLF001
        except (ResponseError, AttributeError) as error:
            self._give_up_tracking(str(error))

    def send(
        self, name: str, keys: Sequence[str], arguments: Sequence[Any] = (), *, tracked: bool = False
    ) -> None:
        """Send a script; with `tracked`, the server will tell when a key that it read changes."""
        script = scripts.load(name)
        if name not in self._loaded:
            self._ask("SCRIPT", "LOAD", script.text)
            self._loaded.add(name)
        command = ("EVALSHA", script.sha, len(keys), *keys, *arguments)
        if tracked:
            both = self._connection.pack_commands([("CLIENT", "CACHING", "YES"), command])
            self._connection.send_packed_command(both)
        else:
            self._connection.send_command(*command)

    def receive(self, *, tracked: bool = False) -> Any:
        """Read a script's reply.

        Raises:
            redis.exceptions.ResponseError: the script was refused.
            redis.exceptions.ConnectionError: the link is down.
        """
        try:
            if tracked:
                self._connection.read_response()
            return self._connection.read_response()
        except NoScriptError:
            self._loaded.clear()
            raise

    def read_pushes(self) -> None:
        """Read invalidations that have come: they may wait in the parser, where no poller sees them."""
        while self.is_up and self._connection.can_read(timeout=0):
            self._connection.read_response(push_request=True)

    def disconnect(self) -> None:
        """Drop the connection: what was asked on it will not be answered."""
        self._socket = None
        self._connection.disconnect()

    def _give_up_tracking(self, reason: str) -> None:
        self.tracks = False
        _LOG.warning("no_client_tracking", error=reason)

    def _ask(self, *command: Any) -> Any:
        self._connection.send_command(*command)
        return self._connection.read_response()

    def _changed(self, _message: Any) -> None:
        self._on_change()
