"""Free ports on the loopback interface."""

import socket
from collections.abc import Sequence
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"
_CONNECT_SECONDS = 0.2


def free(count: int) -> list[int]:
    """Different ports that nobody listened on a moment ago: another process may still be quicker."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def are_free(ports: Sequence[int]) -> bool:
    """Whether a server could listen on these ports now."""
    try:
        with ExitStack() as held:
            for port in ports:
                each = held.enter_context(socket.socket())
                # As servers do: a connection that was closed a minute ago is no hindrance.
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                each.bind((LOOPBACK, port))
    except OSError:
        return False
    return True


def is_listening(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
